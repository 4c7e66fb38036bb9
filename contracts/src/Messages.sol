// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev What a miner's work is worth. Trust and quality are the validators' to say, in parts per million.
struct Score {
    address miner;
    /// What the miner put behind the job.
    uint64 stake;
    uint32 trustPpm;
    uint32 qualityPpm;
}

struct Verdict {
    bytes32 job;
    /// What the miners get together at most.
    uint64 fee;
    /// Root of the tree that the miner committed itself to (docs/PROTOCOL.md, section 5).
    bytes32 proofRoot;
    /// Digest of the bundle that the verdict is about (section 14).
    bytes32 bundleDigest;
    Score[] scores;
}

struct SlashOrder {
    bytes32 job;
    address miner;
    uint64 fee;
    uint64 stake;
    /// The check that failed (section 8).
    uint8 check;
    /// Digest of the bundle that shows it.
    bytes32 evidence;
}

struct Ruling {
    bytes32 job;
    address miner;
    /// Digest of the contester's bundle.
    bytes32 bundle;
    bool guilty;
    uint8 check;
    bytes32 evidence;
}

/// @title What validators and miners sign, as EIP-712 typed data
abstract contract Messages is EIP712 {
    bytes32 private constant SCORE =
        keccak256("Score(address miner,uint64 stake,uint32 trustPpm,uint32 qualityPpm)");
    bytes32 private constant VERDICT = keccak256(
        "Verdict(bytes32 job,uint64 fee,bytes32 proofRoot,bytes32 bundleDigest,Score[] scores)Score(address miner,uint64 stake,uint32 trustPpm,uint32 qualityPpm)"
    );
    bytes32 private constant SLASH =
        keccak256("SlashOrder(bytes32 job,address miner,uint64 fee,uint64 stake,uint8 check,bytes32 evidence)");
    bytes32 private constant RULING =
        keccak256("Ruling(bytes32 job,address miner,bytes32 bundle,bool guilty,uint8 check,bytes32 evidence)");
    bytes32 private constant CANCEL = keccak256("Cancel(bytes32 job,uint8 reason)");
    bytes32 private constant CHANGE = keccak256("ValidatorChange(address added,address removed,uint64 nonce)");
    bytes32 private constant ACCEPTANCE =
        keccak256("Acceptance(bytes32 job,address miner,uint64 fee,uint64 stake)");

    error NotAcceptedBy(address miner);

    constructor() EIP712("InferNet Settlement", "1") {}

    function _hashVerdict(Verdict calldata v) internal view returns (bytes32) {
        bytes32[] memory scores = new bytes32[](v.scores.length);
        for (uint256 i = 0; i < scores.length; ++i) {
            Score calldata s = v.scores[i];
            scores[i] = keccak256(abi.encode(SCORE, s.miner, s.stake, s.trustPpm, s.qualityPpm));
        }
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    VERDICT, v.job, v.fee, v.proofRoot, v.bundleDigest, keccak256(abi.encodePacked(scores))
                )
            )
        );
    }

    function _hashSlash(SlashOrder calldata s) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(SLASH, s.job, s.miner, s.fee, s.stake, s.check, s.evidence)));
    }

    function _hashRuling(Ruling calldata r) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(RULING, r.job, r.miner, r.bundle, r.guilty, r.check, r.evidence)));
    }

    function _hashCancel(bytes32 job, uint8 reason) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CANCEL, job, reason)));
    }

    function _hashChange(address added, address removed, uint64 nonce) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CHANGE, added, removed, nonce)));
    }

    /// @dev Without the miner's own word its stake is not touched, whatever the validators say.
    function _requireAcceptance(bytes32 job, address miner, uint64 fee, uint64 stake_, bytes calldata signature)
        internal
        view
    {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(ACCEPTANCE, job, miner, fee, stake_)));
        (address signer, ECDSA.RecoverError failed,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failed != ECDSA.RecoverError.NoError || signer != miner) revert NotAcceptedBy(miner);
    }
}
