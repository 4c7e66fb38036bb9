// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Messages} from "./Messages.sol";

/// @title Who may judge: members with a bond, by a quorum of two thirds
/// @dev Members are named at deployment and changed by a quorum. A member's signature counts while its bond is whole and it has
/// not resigned; the quorum is of all members, so that those who are gone can't be made up for by fewer signatures.
abstract contract Validators is Messages, ReentrancyGuardTransient {
    /// @notice With fewer than three, two thirds would be one key.
    uint256 public constant LEAST_VALIDATORS = 3;
    /// @notice Bounds what an unanswered contest costs in gas.
    uint256 public constant MOST_VALIDATORS = 32;

    struct Validator {
        uint64 bond;
        /// Since when the bond may be taken out; 0 for a member that has not resigned.
        uint64 dueAt;
        bool member;
        bool resigned;
    }

    IERC20 public immutable TOKEN;
    uint64 public immutable VALIDATOR_BOND;
    uint64 public immutable SILENCE_PENALTY;

    address[] private _members;
    mapping(address => Validator) private _validators;
    /// @notice Number of the next change.
    uint64 public changeNonce;

    event ValidatorAdded(address indexed validator);
    event ValidatorRemoved(address indexed validator);
    event ValidatorResigned(address indexed validator, uint64 dueAt);
    event Bonded(address indexed validator, uint64 amount, uint64 bond);
    event BondWithdrawn(address indexed validator, address to, uint64 amount);
    event Punished(address indexed validator, uint64 amount);

    error BadValidators();
    error NotValidator(address account);
    error NoQuorum(uint256 found, uint256 needed);
    error BadSignature(uint256 index);
    error SignersNotRising(address signer);
    error BondLocked(uint64 dueAt);
    error NothingBonded();

    constructor(IERC20 token_, uint64 bond_, uint64 penalty_, address[] memory members_) {
        if (members_.length < LEAST_VALIDATORS || members_.length > MOST_VALIDATORS) revert BadValidators();
        if (bond_ == 0 || penalty_ == 0 || penalty_ > bond_) revert BadValidators();
        TOKEN = token_;
        VALIDATOR_BOND = bond_;
        SILENCE_PENALTY = penalty_;
        for (uint256 i = 0; i < members_.length; ++i) {
            _add(members_[i]);
        }
    }

    function _credit(address account, uint256 amount) internal virtual;
    function _take(uint256 amount) internal virtual;
    function _give(address to, uint256 amount) internal virtual;
    function _cooldown() internal view virtual returns (uint64);

    /// @notice Signatures that a judgement needs: two thirds of all members, rounded up.
    function quorum() public view returns (uint256) {
        return (2 * _members.length + 2) / 3;
    }

    function validators() external view returns (address[] memory) {
        return _members;
    }

    function validatorOf(address account) external view returns (Validator memory) {
        return _validators[account];
    }

    /// @notice Whether this account's signature counts.
    function mayJudge(address account) public view returns (bool) {
        Validator storage v = _validators[account];
        return v.member && !v.resigned && v.bond >= VALIDATOR_BOND;
    }

    /// @notice Adds to the caller's bond.
    function bond(uint64 amount) external nonReentrant {
        Validator storage v = _validators[msg.sender];
        if (!v.member || v.resigned) revert NotValidator(msg.sender);
        if (amount == 0) revert NothingBonded();
        v.bond += amount;
        emit Bonded(msg.sender, amount, v.bond);
        _take(amount);
    }

    /// @notice Stops judging. The bond can be taken out after the cool-down, whatever the others do.
    function resign() external {
        Validator storage v = _validators[msg.sender];
        if (!v.member || v.resigned) revert NotValidator(msg.sender);
        v.resigned = true;
        v.dueAt = uint64(block.timestamp) + _cooldown();
        emit ValidatorResigned(msg.sender, v.dueAt);
    }

    /// @notice Takes out the bond of a validator that has resigned or was removed.
    function withdrawBond(address to) external nonReentrant {
        Validator storage v = _validators[msg.sender];
        uint64 amount = v.bond;
        if (amount == 0) revert NothingBonded();
        if (v.dueAt == 0 || block.timestamp < v.dueAt) revert BondLocked(v.dueAt);
        v.bond = 0;
        emit BondWithdrawn(msg.sender, to, amount);
        _give(to, amount);
    }

    /// @notice Adds a member, removes one, or both. Either may be the zero address.
    function changeValidators(address added, address removed, bytes[] calldata signatures) external {
        uint64 nonce = changeNonce;
        _requireQuorum(_hashChange(added, removed, nonce), signatures);
        changeNonce = nonce + 1;
        if (removed != address(0)) _remove(removed);
        if (added != address(0)) _add(added);
        if (_members.length < LEAST_VALIDATORS || _members.length > MOST_VALIDATORS) revert BadValidators();
    }

    function _add(address account) private {
        Validator storage v = _validators[account];
        if (account == address(0) || v.member) revert BadValidators();
        v.member = true;
        v.resigned = false;
        v.dueAt = 0;
        _members.push(account);
        emit ValidatorAdded(account);
    }

    function _remove(address account) private {
        Validator storage v = _validators[account];
        if (!v.member) revert NotValidator(account);
        v.member = false;
        if (v.dueAt == 0) v.dueAt = uint64(block.timestamp) + _cooldown();
        uint256 last = _members.length - 1;
        for (uint256 i = 0; i < last; ++i) {
            if (_members[i] == account) {
                _members[i] = _members[last];
                break;
            }
        }
        _members.pop();
        emit ValidatorRemoved(account);
    }

    /// @dev All signatures must count and be in the order of their signers, so that none is there twice.
    function _requireQuorum(bytes32 digest, bytes[] calldata signatures) internal view returns (address[] memory signers) {
        uint256 needed = quorum();
        if (signatures.length < needed) revert NoQuorum(signatures.length, needed);
        if (signatures.length > _members.length) revert BadValidators();
        signers = new address[](signatures.length);
        address last = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            (address signer, ECDSA.RecoverError failed,) = ECDSA.tryRecoverCalldata(digest, signatures[i]);
            if (failed != ECDSA.RecoverError.NoError) revert BadSignature(i);
            if (signer <= last) revert SignersNotRising(signer);
            if (!mayJudge(signer)) revert NotValidator(signer);
            last = signer;
            signers[i] = signer;
        }
    }

    /// @dev Every member answers for a contest that was left lying, also one that has resigned: its bond is there until the
    /// cool-down ends.
    function _punishSilence() internal returns (uint256 penalties) {
        uint256 count = _members.length;
        for (uint256 i = 0; i < count; ++i) {
            Validator storage v = _validators[_members[i]];
            uint64 amount = v.bond < SILENCE_PENALTY ? v.bond : SILENCE_PENALTY;
            if (amount == 0) continue;
            v.bond -= amount;
            penalties += amount;
            emit Punished(_members[i], amount);
        }
    }
}
