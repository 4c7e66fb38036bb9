// Known answers for what settlement signs and derives, by ethers: docs/vectors/evm.json. With --check nothing is written.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AbiCoder, TypedDataEncoder, Wallet, concat, getCreateAddress, keccak256, sha256, toBeHex, toUtf8Bytes } from "ethers";

const file = join(dirname(fileURLToPath(import.meta.url)), "..", "docs", "vectors", "evm.json");
const bytes = (name, length = 32) => sha256(toUtf8Bytes(`infernet/evm-vector/${name}`)).slice(0, 2 + 2 * length);
const derive = (seed) => new Wallet(keccak256(concat([toUtf8Bytes("infernet/evm-key/v1"), toBeHex(0, 4), seed])));

const domain = { name: "InferNet Settlement", version: "1", chainId: 31337, verifyingContract: bytes("contract", 20) };
const Score = [["miner", "address"], ["stake", "uint64"], ["trustPpm", "uint32"], ["qualityPpm", "uint32"]];
const all = {
  Verdict: [["job", "bytes32"], ["fee", "uint64"], ["proofRoot", "bytes32"], ["bundleDigest", "bytes32"], ["scores", "Score[]"]],
  SlashOrder: [["job", "bytes32"], ["miner", "address"], ["fee", "uint64"], ["stake", "uint64"], ["check", "uint8"], ["evidence", "bytes32"]],
  Ruling: [["job", "bytes32"], ["miner", "address"], ["bundle", "bytes32"], ["guilty", "bool"], ["check", "uint8"], ["evidence", "bytes32"]],
  Cancel: [["job", "bytes32"], ["reason", "uint8"]],
  ValidatorChange: [["added", "address"], ["removed", "address"], ["nonce", "uint64"]],
  Acceptance: [["job", "bytes32"], ["miner", "address"], ["fee", "uint64"], ["stake", "uint64"]],
};
const fields = (list) => list.map(([name, type]) => ({ name, type }));
const max64 = "18446744073709551615";
const miner = bytes("miner", 20);
const score = (n) => ({ miner: bytes(`miner ${n}`, 20), stake: String(1000 + n), trustPpm: 1000000 - n, qualityPpm: n });
const messages = [
  ["Verdict", { job: bytes("job"), fee: "8750", proofRoot: bytes("root"), bundleDigest: bytes("bundle"), scores: [] }],
  ["Verdict", { job: bytes("job"), fee: max64, proofRoot: bytes("root"), bundleDigest: bytes("bundle"), scores: [score(1)] }],
  ["Verdict", { job: bytes("job"), fee: "1", proofRoot: bytes("root"), bundleDigest: bytes("bundle"), scores: [1, 2, 3].map(score) }],
  ["SlashOrder", { job: bytes("job"), miner, fee: "8750", stake: max64, check: 20, evidence: bytes("evidence") }],
  ["Ruling", { job: bytes("job"), miner, bundle: bytes("bundle"), guilty: true, check: 22, evidence: bytes("evidence") }],
  ["Ruling", { job: bytes("job"), miner, bundle: bytes("bundle"), guilty: false, check: 0, evidence: `0x${"00".repeat(32)}` }],
  ["Cancel", { job: bytes("job"), reason: 3 }],
  ["ValidatorChange", { added: bytes("added", 20), removed: `0x${"00".repeat(20)}`, nonce: "7" }],
  ["Acceptance", { job: bytes("job"), miner, fee: "8750", stake: "42090" }],
];

const keys = ["one", "two", "three"].map((name) => {
  const seed = bytes(`seed ${name}`);
  return { seed, address: derive(seed).address };
});
const signer = derive(bytes("seed one"));
const signed = messages.map(([type, message]) => {
  const types = { [type]: fields(all[type]), ...(type === "Verdict" ? { Score: fields(Score) } : {}) };
  const digest = TypedDataEncoder.hash(domain, types, message);
  return { type, message, digest, signature: signer.signingKey.sign(digest).serialized };
});
const jobs = ["one", "two"].map((name) => {
  const job = { requester: bytes(`requester ${name}`, 20), id: bytes(`id ${name}`, 16), digest: bytes(`digest ${name}`), prompt: bytes(`prompt ${name}`) };
  const key = keccak256(AbiCoder.defaultAbiCoder().encode(["address", "bytes16", "bytes32", "bytes32"], Object.values(job)));
  return { ...job, key };
});
const created = getCreateAddress({ from: signer.address, nonce: 5 });

const text = `${JSON.stringify({ domain, keys, signed, jobs, created }, null, 1)}\n`;
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error("docs/vectors/evm.json is not what ethers makes: run node vectors.mjs in contracts/");
  process.exit(1);
}
