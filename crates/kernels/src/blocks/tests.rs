use super::BlockFormat;

/// What the `gguf` package makes of a block of each format; `reference.py` writes it.
const REFERENCE: &str = include_str!("reference.txt");

/// One line of it: a format, a block, the bits of its numbers, and those of the numbers that it was made of.
struct Case {
    format: BlockFormat,
    block: Vec<u8>,
    numbers: Vec<u32>,
    source: Option<Vec<f32>>,
}

fn cases() -> Vec<Case> {
    let bytes = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let bits = |text: &str| -> Vec<u32> {
        (0..text.len()).step_by(8).map(|at| u32::from_str_radix(&text[at..at + 8], 16).unwrap()).collect()
    };
    let case = |line: &'static str| {
        let words: Vec<&str> = line.split(' ').collect();
        let format = BlockFormat::ALL.into_iter().find(|format| format.name() == words[0]).unwrap();
        let source = words.get(3).map(|text| bits(text).into_iter().map(f32::from_bits).collect());
        Case { format, block: bytes(words[1]), numbers: bits(words[2]), source }
    };
    REFERENCE.lines().map(case).collect()
}

#[test]
fn numbers_are_those_of_the_gguf_package_to_the_last_bit() {
    let cases = cases();
    assert_eq!(cases.iter().map(|case| case.format).collect::<Vec<_>>(), BlockFormat::ALL);
    for Case { format, block, numbers, .. } in cases {
        assert_eq!((block.len(), numbers.len()), (format.block_bytes(), format.block_len()), "{format:?}");
        let mut out = vec![f32::NAN; 3 * numbers.len()];
        format.dequantize(&block.repeat(3), &mut out);
        let bits: Vec<u32> = out.into_iter().map(f32::to_bits).collect();
        assert_eq!(bits, numbers.repeat(3), "{format:?}");
    }
}

#[test]
fn blocks_are_those_of_the_gguf_package_to_the_last_bit() {
    for Case { format, block, source, .. } in cases() {
        assert_eq!(source.is_some(), format.is_written(), "{format:?}");
        let Some(source) = source else { continue };
        let mut out = vec![0xAA; 2 * block.len()];
        format.quantize(&source.repeat(2), &mut out);
        assert_eq!(out, block.repeat(2), "{format:?}");
    }
}

#[test]
fn what_a_format_holds_exactly_is_kept() {
    for format in BlockFormat::ALL.into_iter().filter(|format| format.is_written()) {
        let mut bytes = vec![0; format.block_bytes()];
        let mut out = vec![f32::NAN; format.block_len()];
        format.quantize(&vec![0.0; format.block_len()], &mut bytes);
        format.dequantize(&bytes, &mut out);
        assert_eq!(out, vec![0.0; format.block_len()], "{format:?}");
        // −16 … 15 by whole steps; 4 bits hold every second step at most.
        let steps: Vec<f32> = (0..32).map(|i| (i - 16) as f32).collect();
        format.quantize(&steps, &mut bytes);
        format.dequantize(&bytes, &mut out);
        let most = steps.iter().zip(&out).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
        let bound = match format {
            BlockFormat::Q5_0 | BlockFormat::Q5_1 => 0.0,
            BlockFormat::Q8_0 => 0.07,
            _ => 1.04,
        };
        assert!(most <= bound, "{format:?}: {most}");
    }
}

#[test]
#[should_panic = "whole blocks and as many numbers as they hold"]
fn parts_of_blocks_are_refused() {
    BlockFormat::Q8_0.dequantize(&[0; 33], &mut [0.0; 32]);
}
