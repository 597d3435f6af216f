"""Runs a test program of WASI with its arguments, the environment and /tmp (needs the package wasmtime):

    python .ci/wasi.py PROGRAM [ARGUMENT ...]
"""

import sys

import wasmtime

engine = wasmtime.Engine()
linker = wasmtime.Linker(engine)
linker.define_wasi()
wasi = wasmtime.WasiConfig()
wasi.argv = sys.argv[1:]
wasi.inherit_env()
wasi.inherit_stdout()
wasi.inherit_stderr()
wasi.preopen_dir("/tmp", "/tmp")
store = wasmtime.Store(engine)
store.set_wasi(wasi)
program = linker.instantiate(store, wasmtime.Module.from_file(engine, sys.argv[1]))
try:
    program.exports(store)["_start"](store)
except wasmtime.ExitTrap as end:
    sys.exit(end.code)
