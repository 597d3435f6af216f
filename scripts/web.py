#!/usr/bin/env python3
"""Builds crates/web into crates/cli/assets/splat_view.wasm, which pages of `monotile splat view --html` hold.

    python scripts/web.py            builds; needs the target wasm32-unknown-unknown of rustup
    python scripts/web.py --check    status 1 where the file is of other sources than the present ones

The file ends in a section with a digest of the sources that it was built from: 64 bits of FNV-1a over the files of `SOURCES`. A test of
the command compares it, so that a change of the kernels of splats asks for a new file.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ASSET = ROOT / "crates/cli/assets/splat_view.wasm"
TARGET = "wasm32-unknown-unknown"
# Folders whose sources are of the module, without tests and what no picture needs.
SOURCES = ["crates/web/src", "crates/kernels/src/splat"]
OTHERS = ["gather.rs", "tests.rs", "unblend.rs", "unproject.rs"]
SECTION = b"monotile-sources"


def digest():
    """The digest of the present sources, as 16 digits."""
    state = 0xCBF29CE484222325
    for folder in SOURCES:
        for path in sorted((ROOT / folder).glob("*.rs")):
            if path.name not in OTHERS:
                for byte in path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n"):
                    state = (state ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{state:016x}"


def section(name, payload):
    """A custom section of WebAssembly; its lengths are below 128."""
    inside = bytes([len(name)]) + name + payload
    return bytes([0, len(inside)]) + inside


def build():
    """The module, as cargo leaves it."""
    home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    flags = ["-Ctarget-feature=+simd128", f"--remap-path-prefix={home}=cargo", f"--remap-path-prefix={ROOT.resolve()}=."]
    environment = {**os.environ, "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}
    command = ["cargo", "rustc", "-p", "monotile-web", "--profile", "web", "--target", TARGET, "--crate-type", "cdylib"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (target / TARGET / "web/monotile_web.wasm").read_bytes()


def main():
    if sys.argv[1:] == ["--check"]:
        if not ASSET.read_bytes().endswith(section(SECTION, digest().encode())):
            sys.exit(f"{ASSET.relative_to(ROOT)} is of other sources: run python scripts/web.py")
        return
    now = digest()
    module = build() + section(SECTION, now.encode())
    ASSET.write_bytes(module)
    print(f"{ASSET.relative_to(ROOT)}: {len(module)} bytes of sources {now}")


main()
