// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Validators} from "./Validators.sol";
import {Parameters, Job, JobStatus, Part, PartStatus, Dispute, Staker} from "./Types.sol";
import {Verdict, Score, SlashOrder, Ruling} from "./Messages.sol";

/// @title Settlement of InferNet jobs in an ERC-20 token
/// @notice Requesters deposit, validators judge, miners are paid or slashed. Nobody owns this contract: there is no key that
/// can pause it, change its rules or take what is in it. All payments are pulled: calls that judge only write numbers.
/// @dev States, threat model and measured gas are in docs/SETTLEMENT.md. Every amount is a whole number of the token's smallest
/// unit, a micro-credit. The token is called in `_take`, `_give` and `burn` only.
contract InfernetSettlement is Validators {
    using SafeERC20 for IERC20;

    uint256 private constant PPM = 1_000_000;
    /// @notice Most miners of a job.
    uint256 public constant MOST_MINERS = 64;
    /// @notice Longest text that says where a bundle can be had.
    uint256 public constant MOST_LOCATOR_BYTES = 256;
    /// @notice Where burned tokens go when the token itself can't burn.
    address public constant BURNED = 0x000000000000000000000000000000000000dEaD;
    /// @dev Bit n: check n of docs/PROTOCOL.md, section 8, rests on bytes that the miner signed (and a run of the model), so
    /// that anyone can confirm it. 3, 8 to 16, 18 to 26. The other checks are a validator's word, and nobody is slashed on a word.
    uint256 public constant SLASHABLE_CHECKS = 0x7fdff08;

    uint64 public immutable CHALLENGE_SECONDS;
    uint64 public immutable ANSWER_SECONDS;
    uint64 public immutable MOST_JOB_SECONDS;
    /// @notice A work's stake can be asked for until the job's deadline and one challenge window are over; so long does
    /// unstaking take.
    uint64 public immutable COOLDOWN_SECONDS;
    uint64 public immutable CONTEST_BOND;
    uint32 public immutable SLASH_PPM;
    uint32 public immutable SPLIT_PPM;
    uint32 public immutable LEAST_STAKE_PPM;
    uint32 public immutable QUALITY_THRESHOLD_PPM;
    uint32 public immutable QUALITY_WEIGHT_PPM;

    mapping(bytes32 job => Job) private _jobs;
    mapping(bytes32 job => mapping(address miner => Part)) private _parts;
    mapping(bytes32 job => mapping(address miner => Dispute)) private _disputes;
    mapping(address miner => Staker) private _stakers;
    /// @notice What an account may take out with `claim`.
    mapping(address account => uint256) public claimable;
    /// @notice What waits for `burn`.
    uint256 public toBurn;

    event Deposited(
        bytes32 indexed job,
        address indexed requester,
        bytes16 id,
        bytes32 jobDigest,
        bytes32 promptCommitment,
        uint64 amount,
        uint64 deadline
    );
    event Settled(
        bytes32 indexed job, bytes32 proofRoot, bytes32 bundleDigest, uint256 rewards, uint256 validatorFee, uint256 returned
    );
    event Rewarded(bytes32 indexed job, address indexed miner, uint256 reward, uint64 locked, uint64 until);
    event Refunded(bytes32 indexed job, address indexed requester, uint64 amount, uint8 reason);
    event SlashProposed(
        bytes32 indexed job, address indexed miner, uint64 amount, uint8 check, bytes32 evidence, uint64 until
    );
    event Contested(
        bytes32 indexed job, address indexed miner, address indexed by, bytes32 bundle, string locator, uint64 answerBy
    );
    event Answered(
        bytes32 indexed job, address indexed miner, bytes32 bundle, bool guilty, uint8 check, bytes32 evidence
    );
    event Unanswered(bytes32 indexed job, address indexed miner, bytes32 bundle, uint256 penalties);
    event Slashed(bytes32 indexed job, address indexed miner, uint256 toRequester, uint256 burned);
    event Cleared(bytes32 indexed job, address indexed miner, uint64 amount);
    event Released(bytes32 indexed job, address indexed miner, uint64 amount);
    event Staked(address indexed miner, uint64 amount);
    event UnstakeRequested(address indexed miner, uint64 amount, uint64 cooling, uint64 dueAt);
    event StakeWithdrawn(address indexed miner, address to, uint64 amount);
    event Credited(address indexed account, uint256 amount);
    event Claimed(address indexed account, address to, uint256 amount);
    event Burned(uint256 amount);

    error BadParameter(string name);
    error Nothing();
    error TokenTookAnother(uint256 expected, uint256 found);
    error JobExists(bytes32 job);
    error JobNotOpen(bytes32 job, JobStatus found);
    error BadDeadline(uint64 found, uint256 least, uint256 most);
    error DeadlinePassed(bytes32 job, uint64 deadline);
    error DeadlineAhead(bytes32 job, uint64 deadline);
    error BadMiners();
    error BadShare(uint256 found);
    error FeeAboveDeposit(uint256 gross, uint64 deposit);
    error StakeTooSmall(address miner, uint256 found, uint256 needed);
    error NotSlashable(uint8 check);
    error WrongPart(bytes32 job, address miner, PartStatus found);
    error WindowOver(uint64 until);
    error WindowOpen(uint64 until);
    error DisputeOpen(bytes32 job, address miner);
    error NoDispute(bytes32 job, address miner);
    error NotDue(uint64 dueAt);
    error LocatorTooLong(uint256 found);

    constructor(IERC20 token_, Parameters memory p, address[] memory validators_)
        Validators(token_, p.validatorBond, p.silencePenalty, validators_)
    {
        // Units are micro-credits everywhere; a token with other decimals would be paid out a power of ten wrong.
        if (IERC20Metadata(address(token_)).decimals() != 6) revert BadParameter("token decimals");
        if (p.challengeSeconds == 0 || p.challengeSeconds > 90 days) revert BadParameter("challengeSeconds");
        if (p.answerSeconds == 0 || p.answerSeconds > 90 days) revert BadParameter("answerSeconds");
        if (p.mostJobSeconds == 0 || p.mostJobSeconds > 90 days) revert BadParameter("mostJobSeconds");
        if (p.contestBond == 0) revert BadParameter("contestBond");
        if (p.slashPpm == 0 || p.slashPpm > PPM) revert BadParameter("slashPpm");
        if (p.splitPpm == 0 || p.splitPpm > PPM) revert BadParameter("splitPpm");
        if (p.leastStakePpm == 0) revert BadParameter("leastStakePpm");
        if (p.qualityThresholdPpm > PPM) revert BadParameter("qualityThresholdPpm");
        if (p.qualityWeightPpm > PPM) revert BadParameter("qualityWeightPpm");
        CHALLENGE_SECONDS = p.challengeSeconds;
        ANSWER_SECONDS = p.answerSeconds;
        MOST_JOB_SECONDS = p.mostJobSeconds;
        COOLDOWN_SECONDS = p.mostJobSeconds + p.challengeSeconds;
        CONTEST_BOND = p.contestBond;
        SLASH_PPM = p.slashPpm;
        SPLIT_PPM = p.splitPpm;
        LEAST_STAKE_PPM = p.leastStakePpm;
        QUALITY_THRESHOLD_PPM = p.qualityThresholdPpm;
        QUALITY_WEIGHT_PPM = p.qualityWeightPpm;
    }

    // ---- Requesters

    /// @notice The name of a job. The requester is part of it, so that nobody can take another's id first; so are the digests,
    /// so that a verdict about the name is a verdict about this job and prompt.
    function jobKey(address requester, bytes16 id, bytes32 jobDigest, bytes32 promptCommitment)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(requester, id, jobDigest, promptCommitment));
    }

    /// @notice Puts `amount` behind a job. It is paid out by a verdict until `deadline` (seconds since 1970), and goes back after it.
    function deposit(bytes16 id, bytes32 jobDigest, bytes32 promptCommitment, uint64 amount, uint64 deadline)
        external
        nonReentrant
        returns (bytes32 job)
    {
        if (amount == 0) revert Nothing();
        uint256 most = block.timestamp + MOST_JOB_SECONDS;
        if (deadline <= block.timestamp || deadline > most) revert BadDeadline(deadline, block.timestamp + 1, most);
        job = jobKey(msg.sender, id, jobDigest, promptCommitment);
        if (_jobs[job].status != JobStatus.None) revert JobExists(job);
        _jobs[job] =
            Job({requester: msg.sender, amount: amount, status: JobStatus.Open, deadline: deadline, compensated: 0});
        emit Deposited(job, msg.sender, id, jobDigest, promptCommitment, amount, deadline);
        _take(amount);
    }

    /// @notice Gives a deposit back to its requester. Anyone may call it once the deadline has passed.
    function refund(bytes32 job) external nonReentrant {
        Job storage record = _open(job);
        if (block.timestamp <= record.deadline) revert DeadlineAhead(job, record.deadline);
        _refund(job, record, 0);
    }

    /// @notice The same before the deadline, when the validators say that nothing will come of the job.
    function cancel(bytes32 job, uint8 reason, bytes[] calldata signatures) external nonReentrant {
        Job storage record = _open(job);
        _requireQuorum(_hashCancel(job, reason), signatures);
        _refund(job, record, reason);
    }

    function _refund(bytes32 job, Job storage record, uint8 reason) private {
        record.status = JobStatus.Refunded;
        emit Refunded(job, record.requester, record.amount, reason);
        _credit(record.requester, record.amount);
    }

    // ---- Verdicts

    /// @notice Pays a job: to its miners by trust x quality, to the validators that signed their fee, all else back to the
    /// requester. Anyone may bring the verdict. `acceptances` are the miners' own words that they took the job with this fee and
    /// stake, in the order of the scores.
    function settle(Verdict calldata verdict, bytes[] calldata acceptances, bytes[] calldata signatures)
        external
        nonReentrant
    {
        Job storage record = _open(verdict.job);
        if (block.timestamp > record.deadline) revert DeadlinePassed(verdict.job, record.deadline);
        uint256 fee = verdict.fee;
        uint256 gross = Math.ceilDiv(fee * PPM, SPLIT_PPM);
        uint64 deposited = record.amount;
        if (gross > deposited) revert FeeAboveDeposit(gross, deposited);
        address[] memory signers = _requireQuorum(_hashVerdict(verdict), signatures);
        record.status = JobStatus.Settled;

        uint256 rewards = _reward(verdict, acceptances);
        // Each signer gets the same; what does not divide goes back with the rest.
        uint256 each = (gross - fee) / signers.length;
        for (uint256 i = 0; i < signers.length; ++i) {
            _credit(signers[i], each);
        }
        uint256 validatorFee = each * signers.length;
        uint256 returned = deposited - rewards - validatorFee;
        _credit(record.requester, returned);
        emit Settled(verdict.job, verdict.proofRoot, verdict.bundleDigest, rewards, validatorFee, returned);
    }

    function _reward(Verdict calldata verdict, bytes[] calldata acceptances) private returns (uint256 rewards) {
        uint256 count = verdict.scores.length;
        if (count == 0 || count > MOST_MINERS || acceptances.length != count) revert BadMiners();
        uint256 all = 0;
        address last = address(0);
        for (uint256 i = 0; i < count; ++i) {
            Score calldata score = verdict.scores[i];
            // Rising, hence each once, and not the zero address.
            if (score.miner <= last) revert BadMiners();
            last = score.miner;
            if (score.trustPpm == 0 || score.trustPpm > PPM) revert BadShare(score.trustPpm);
            if (score.qualityPpm > PPM) revert BadShare(score.qualityPpm);
            all += score.trustPpm;
        }
        uint64 until = uint64(block.timestamp) + CHALLENGE_SECONDS;
        uint256 least = Math.ceilDiv(uint256(verdict.fee) * LEAST_STAKE_PPM, PPM);
        if (least == 0) least = 1;
        for (uint256 i = 0; i < count; ++i) {
            Score calldata score = verdict.scores[i];
            if (score.stake < least) revert StakeTooSmall(score.miner, score.stake, least);
            _requireAcceptance(verdict.job, score.miner, verdict.fee, score.stake, acceptances[i]);
            Part storage part = _parts[verdict.job][score.miner];
            if (part.status != PartStatus.None && part.status != PartStatus.Cleared) {
                revert WrongPart(verdict.job, score.miner, part.status);
            }
            uint64 taken = _takeStake(score.miner, score.stake);
            if (taken < score.stake) revert StakeTooSmall(score.miner, taken, score.stake);
            _stakers[score.miner].locked += taken;
            _parts[verdict.job][score.miner] = Part({amount: taken, until: until, status: PartStatus.Paid, check: 0});
            uint256 reward = uint256(verdict.fee) * score.trustPpm / all * qualityFactor(score.qualityPpm) / PPM;
            rewards += reward;
            emit Rewarded(verdict.job, score.miner, reward, taken, until);
            _credit(score.miner, reward);
        }
    }

    /// @notice Share of the full reward for a clip of this quality, in parts per million: the ledger's rule.
    function qualityFactor(uint32 qualityPpm) public view returns (uint256) {
        uint256 bonus = qualityPpm >= QUALITY_THRESHOLD_PPM ? uint256(QUALITY_WEIGHT_PPM) * qualityPpm / PPM : 0;
        return PPM - QUALITY_WEIGHT_PPM + bonus;
    }

    /// @notice Takes a share of the stake that a miner put behind a job, for a check that failed. It is only put aside: for one
    /// challenge window anyone can contest it. Then `executeSlash` hands it out.
    function slash(SlashOrder calldata order, bytes calldata acceptance, bytes[] calldata signatures)
        external
        nonReentrant
    {
        Job storage record = _jobs[order.job];
        if (record.status == JobStatus.None) revert JobNotOpen(order.job, record.status);
        _requireQuorum(_hashSlash(order), signatures);
        Part storage part = _parts[order.job][order.miner];
        if (part.status == PartStatus.Paid) {
            if (block.timestamp > part.until) revert WindowOver(part.until);
            if (_disputes[order.job][order.miner].by != address(0)) revert DisputeOpen(order.job, order.miner);
            _proposeFromLock(order.job, order.miner, part, order.check, order.evidence);
            return;
        }
        if (part.status != PartStatus.None) revert WrongPart(order.job, order.miner, part.status);
        uint64 until = record.deadline + CHALLENGE_SECONDS;
        if (block.timestamp > until) revert WindowOver(until);
        _requireAcceptance(order.job, order.miner, order.fee, order.stake, acceptance);
        uint64 taken = _takeStake(order.miner, _share(order.stake));
        if (taken == 0) revert StakeTooSmall(order.miner, 0, 1);
        _propose(order.job, order.miner, part, taken, order.check, order.evidence);
    }

    function _proposeFromLock(bytes32 job, address miner, Part storage part, uint8 check, bytes32 evidence) private {
        uint64 locked = part.amount;
        uint64 amount = _share(locked);
        Staker storage staker = _stakers[miner];
        staker.locked -= locked;
        staker.free += locked - amount;
        _propose(job, miner, part, amount, check, evidence);
    }

    function _propose(bytes32 job, address miner, Part storage part, uint64 amount, uint8 check, bytes32 evidence)
        private
    {
        if ((SLASHABLE_CHECKS >> check) & 1 == 0) revert NotSlashable(check);
        uint64 until = uint64(block.timestamp) + CHALLENGE_SECONDS;
        part.amount = amount;
        part.until = until;
        part.status = PartStatus.Proposed;
        part.check = check;
        emit SlashProposed(job, miner, amount, check, evidence, until);
    }

    /// @notice Hands out a slash that nobody contested, or whose contests were answered: to the requester up to the deposit,
    /// the rest is burned. Anyone may call it.
    function executeSlash(bytes32 job, address miner) external nonReentrant {
        Part storage part = _parts[job][miner];
        if (part.status != PartStatus.Proposed) revert WrongPart(job, miner, part.status);
        if (_disputes[job][miner].by != address(0)) revert DisputeOpen(job, miner);
        if (block.timestamp <= part.until) revert WindowOpen(part.until);
        Job storage record = _jobs[job];
        uint64 amount = part.amount;
        part.status = PartStatus.Slashed;
        part.amount = 0;
        uint64 harm = record.amount - record.compensated;
        uint64 repaid = amount < harm ? amount : harm;
        record.compensated += repaid;
        emit Slashed(job, miner, repaid, amount - repaid);
        _credit(record.requester, repaid);
        toBurn += amount - repaid;
    }

    // ---- Contests

    /// @notice Doubts a payment or a slash within its window, with the digest of a bundle that shows otherwise and where it can be had.
    /// The bond comes back when the validators agree or stay silent, and is burned when they don't agree.
    function contest(bytes32 job, address miner, bytes32 bundle, string calldata locator) external nonReentrant {
        if (bytes(locator).length > MOST_LOCATOR_BYTES) revert LocatorTooLong(bytes(locator).length);
        Part storage part = _parts[job][miner];
        if (part.status != PartStatus.Paid && part.status != PartStatus.Proposed) {
            revert WrongPart(job, miner, part.status);
        }
        if (block.timestamp > part.until) revert WindowOver(part.until);
        Dispute storage dispute = _disputes[job][miner];
        if (dispute.by != address(0)) revert DisputeOpen(job, miner);
        uint64 answerBy = uint64(block.timestamp) + ANSWER_SECONDS;
        dispute.by = msg.sender;
        dispute.answerBy = answerBy;
        dispute.bundle = bundle;
        emit Contested(job, miner, msg.sender, bundle, locator, answerBy);
        _take(CONTEST_BOND);
    }

    /// @notice The validators' answer to a contest, in time.
    function answer(Ruling calldata ruling, bytes[] calldata signatures) external nonReentrant {
        (bytes32 job, address miner) = (ruling.job, ruling.miner);
        Dispute memory dispute = _disputes[job][miner];
        if (dispute.by == address(0) || dispute.bundle != ruling.bundle) revert NoDispute(job, miner);
        if (block.timestamp > dispute.answerBy) revert WindowOver(dispute.answerBy);
        _requireQuorum(_hashRuling(ruling), signatures);
        delete _disputes[job][miner];
        emit Answered(job, miner, ruling.bundle, ruling.guilty, ruling.check, ruling.evidence);
        Part storage part = _parts[job][miner];
        if (ruling.guilty == (part.status == PartStatus.Paid)) {
            // The contester was right: a paid miner is to be slashed, or a slash is taken back.
            _credit(dispute.by, CONTEST_BOND);
            if (ruling.guilty) _proposeFromLock(job, miner, part, ruling.check, ruling.evidence);
            else _clear(job, miner, part);
            return;
        }
        toBurn += CONTEST_BOND;
        // While one contest is open there can be no other: time for the next one, so that a hollow contest does not use up
        // the window.
        uint64 least = uint64(block.timestamp) + ANSWER_SECONDS;
        if (part.until < least) part.until = least;
    }

    /// @notice Ends a contest that the validators left unanswered: the bond goes back, each of them pays a penalty, and a slash in
    /// doubt is taken back. Anyone may call it.
    function expire(bytes32 job, address miner) external nonReentrant {
        Dispute memory dispute = _disputes[job][miner];
        if (dispute.by == address(0)) revert NoDispute(job, miner);
        if (block.timestamp <= dispute.answerBy) revert WindowOpen(dispute.answerBy);
        delete _disputes[job][miner];
        uint256 penalties = _punishSilence();
        toBurn += penalties;
        emit Unanswered(job, miner, dispute.bundle, penalties);
        _credit(dispute.by, CONTEST_BOND);
        Part storage part = _parts[job][miner];
        if (part.status == PartStatus.Proposed) _clear(job, miner, part);
    }

    function _clear(bytes32 job, address miner, Part storage part) private {
        uint64 amount = part.amount;
        part.status = PartStatus.Cleared;
        part.amount = 0;
        _stakers[miner].free += amount;
        emit Cleared(job, miner, amount);
    }

    // ---- Miners

    /// @notice Adds to the caller's stake.
    function stake(uint64 amount) external nonReentrant {
        if (amount == 0) revert Nothing();
        _stakers[msg.sender].free += amount;
        emit Staked(msg.sender, amount);
        _take(amount);
    }

    /// @notice Begins to take stake out. There is one withdrawal at a time: more stake joins it, and the time starts anew.
    function requestUnstake(uint64 amount) external nonReentrant {
        Staker storage staker = _stakers[msg.sender];
        if (amount == 0) revert Nothing();
        if (amount > staker.free) revert StakeTooSmall(msg.sender, staker.free, amount);
        uint64 dueAt = uint64(block.timestamp) + COOLDOWN_SECONDS;
        staker.free -= amount;
        staker.cooling += amount;
        staker.dueAt = dueAt;
        emit UnstakeRequested(msg.sender, amount, staker.cooling, dueAt);
    }

    /// @notice Takes out stake whose time is over.
    function withdrawStake(address to) external nonReentrant {
        Staker storage staker = _stakers[msg.sender];
        uint64 amount = staker.cooling;
        if (amount == 0) revert Nothing();
        if (block.timestamp < staker.dueAt) revert NotDue(staker.dueAt);
        staker.cooling = 0;
        emit StakeWithdrawn(msg.sender, to, amount);
        _give(to, amount);
    }

    /// @notice Frees the stake behind a paid job once its window is over. Anyone may call it.
    function release(bytes32 job, address miner) external nonReentrant {
        Part storage part = _parts[job][miner];
        if (part.status != PartStatus.Paid) revert WrongPart(job, miner, part.status);
        if (_disputes[job][miner].by != address(0)) revert DisputeOpen(job, miner);
        if (block.timestamp <= part.until) revert WindowOpen(part.until);
        uint64 amount = part.amount;
        part.status = PartStatus.Released;
        part.amount = 0;
        _stakers[miner].locked -= amount;
        _stakers[miner].free += amount;
        emit Released(job, miner, amount);
    }

    // ---- Anyone

    /// @notice Takes out all that the caller is owed.
    function claim(address to) external nonReentrant {
        uint256 amount = claimable[msg.sender];
        if (amount == 0) revert Nothing();
        claimable[msg.sender] = 0;
        emit Claimed(msg.sender, to, amount);
        _give(to, amount);
    }

    /// @notice Burns what was slashed and not owed to anyone: by the token's own `burn`, or by sending it where nobody has a key.
    function burn() external nonReentrant {
        uint256 amount = toBurn;
        if (amount == 0) revert Nothing();
        toBurn = 0;
        emit Burned(amount);
        uint256 before = TOKEN.balanceOf(address(this));
        (bool done,) = address(TOKEN).call(abi.encodeWithSignature("burn(uint256)", amount));
        uint256 found = TOKEN.balanceOf(address(this));
        if (found == before) TOKEN.safeTransfer(BURNED, amount);
        else if (!done || before - found != amount) revert TokenTookAnother(amount, before - found);
    }

    // ---- Views

    function jobOf(bytes32 job) external view returns (Job memory) {
        return _jobs[job];
    }

    function partOf(bytes32 job, address miner) external view returns (Part memory) {
        return _parts[job][miner];
    }

    function disputeOf(bytes32 job, address miner) external view returns (Dispute memory) {
        return _disputes[job][miner];
    }

    function stakerOf(address miner) external view returns (Staker memory) {
        return _stakers[miner];
    }

    // ---- Inside

    function _open(bytes32 job) private view returns (Job storage record) {
        record = _jobs[job];
        if (record.status != JobStatus.Open) revert JobNotOpen(job, record.status);
    }

    /// @dev Free stake first, then what is being taken out: asking for stake back is no way around a slash. Stake locked for
    /// other jobs is left alone.
    function _takeStake(address miner, uint64 amount) private returns (uint64 taken) {
        Staker storage staker = _stakers[miner];
        uint64 fromFree = amount < staker.free ? amount : staker.free;
        uint64 left = amount - fromFree;
        uint64 fromCooling = left < staker.cooling ? left : staker.cooling;
        staker.free -= fromFree;
        staker.cooling -= fromCooling;
        return fromFree + fromCooling;
    }

    function _share(uint64 locked) private view returns (uint64) {
        // At most `locked`: the share is at most a million.
        return uint64(uint256(locked) * SLASH_PPM / PPM);
    }

    function _credit(address account, uint256 amount) internal override {
        if (amount == 0) return;
        claimable[account] += amount;
        emit Credited(account, amount);
    }

    /// @dev Tokens that keep a fee or take less would leave others' money short.
    function _take(uint256 amount) internal override {
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 found = TOKEN.balanceOf(address(this)) - before;
        if (found != amount) revert TokenTookAnother(amount, found);
    }

    function _give(address to, uint256 amount) internal override {
        // To itself it would be lost to everyone.
        if (to == address(0) || to == address(this)) revert BadParameter("to");
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransfer(to, amount);
        uint256 found = before - TOKEN.balanceOf(address(this));
        if (found != amount) revert TokenTookAnother(amount, found);
    }

    function _cooldown() internal view override returns (uint64) {
        return COOLDOWN_SECONDS;
    }
}
