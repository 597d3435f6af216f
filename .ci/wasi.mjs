// Runs a test program of WASI with its arguments, the environment, /tmp and the folder that it is started in:
//
//     node .ci/wasi.mjs PROGRAM [ARGUMENT ...]
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const args = process.argv.slice(2);
const here = process.cwd();
const preopens = { "/tmp": "/tmp", [here]: here };
const wasi = new WASI({ version: "preview1", args, env: process.env, preopens });
const module = await WebAssembly.compile(await readFile(args[0]));
process.exit(wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject())));
