// Compiles the contracts with the pinned compiler and writes ABI and bytecode to artifacts/.
// With --check nothing is written: exit 1 when artifacts/ is not what the compiler makes.
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const solc = require("solc");

const PINNED = require("./package.json").dependencies.solc;
// The contract, and the tokens of its tests.
const WANTED = ["InfernetSettlement", "TestCredit", "PlainToken", "WrongDecimals", "MaliciousToken"];

const sources = {};
for (const folder of ["src", "test"]) {
  for (const name of readdirSync(join(here, folder)).filter((name) => name.endsWith(".sol")).sort()) {
    sources[`${folder}/${name}`] = { content: readFileSync(join(here, folder, name), "utf8") };
  }
}

const findImport = (path) => {
  const file = join(here, "node_modules", path);
  return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: `${path} is not installed: run npm ci` };
};

if (!solc.version().startsWith(PINNED)) {
  console.error(`the compiler is ${solc.version()}, not ${PINNED}: run npm ci in contracts/`);
  process.exit(1);
}
const input = {
  language: "Solidity",
  sources,
  settings: {
    // Cancun has transient storage, for a cheap lock against reentrancy, and is what the large chains and their rollups run.
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 500 },
    viaIR: true,
    // The bytecode then depends on the code alone, not on comments and paths.
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
// 2394: transient storage needs care. It is the reentrancy guard's, which clears it at the end of every call.
const faults = (output.errors ?? []).filter(({ errorCode }) => errorCode !== "2394");
for (const { formattedMessage } of faults) console.error(formattedMessage);
// Warnings count as errors.
if (faults.length > 0) process.exit(1);

const check = process.argv.includes("--check");
let stale = 0;
mkdirSync(join(here, "artifacts"), { recursive: true });
for (const [file, contracts] of Object.entries(output.contracts)) {
  for (const [name, { abi, evm }] of Object.entries(contracts)) {
    if (!WANTED.includes(name)) continue;
    const deployed = evm.deployedBytecode.object.length / 2;
    if (deployed > 24576) {
      console.error(`${name} has ${deployed} bytes, more than the 24576 that chains take`);
      process.exit(1);
    }
    const artefact = { contract: name, source: file, compiler: solc.version(), abi, bytecode: `0x${evm.bytecode.object}` };
    const text = `${JSON.stringify(artefact, null, 1)}\n`;
    const path = join(here, "artifacts", `${name}.json`);
    const same = existsSync(path) && readFileSync(path, "utf8") === text;
    if (check && !same) {
      stale += 1;
      console.error(`artifacts/${name}.json is not what solc ${PINNED} makes of ${file}: run npm run build in contracts/`);
    }
    if (!check && !same) writeFileSync(path, text);
    console.log(`${name}: ${deployed} bytes${same ? "" : check ? ", stale" : ", written"}`);
  }
}
process.exit(stale > 0 ? 1 : 0);
