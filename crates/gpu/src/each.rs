//! Kernels whose threads do the same to a number each.

use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::text::{Text, parameter};

/// Threads of a workgroup.
const THREADS: usize = 64;

/// A kernel whose threads have a number each of the count that is its first parameter, `at`.
pub(crate) fn each(
    stream: &GpuStream,
    key: (&'static str, Vec<u64>),
    [inputs, outputs]: [&[&GpuBlock]; 2],
    words: &[u32],
    of: EachText,
) -> GpuResult<()> {
    let kernel = stream.kernel(key, || of.text(words.len()))?;
    stream.dispatch(&kernel, inputs, outputs, words, (words[0] as usize).div_ceil(THREADS) as u64)
}

/// The text of such a kernel: types of its buffers, functions, and what a thread does.
pub(crate) struct EachText {
    pub inputs: &'static [&'static str],
    pub outputs: &'static [&'static str],
    pub globals: String,
    pub body: &'static str,
}

impl EachText {
    /// With its parameters as the functions `w0`, `w1`, ….
    pub fn text(self, words: usize) -> KernelText {
        let mut globals = Text::default();
        globals.unrolled(words, |k| format!("fn w{k}() -> u32 {{ return {}; }}", parameter(k))).line(self.globals);
        let head = format!("    let at = group * {THREADS}u + local;\n    if (at >= w0()) {{ return; }}\n");
        KernelText {
            inputs: self.inputs.to_vec(),
            outputs: self.outputs.to_vec(),
            words,
            threads: THREADS,
            globals: globals.finish(),
            body: head + self.body,
        }
    }
}
