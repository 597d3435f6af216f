//! The letters that stand for bytes in byte-level vocabularies (Radford et al. 2019).

/// The letter of each byte: itself where it prints, else one from U+0100 on, in order.
static LETTERS: [char; 256] = letters();

const fn letters() -> [char; 256] {
    let mut all = ['\0'; 256];
    let (mut byte, mut next) = (0, 0x100);
    while byte < 256 {
        all[byte] = if matches!(byte as u8, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) {
            byte as u8 as char
        } else {
            next += 1;
            match char::from_u32(next - 1) {
                Some(letter) => letter,
                None => panic!("U+0100 to U+0143 are characters"),
            }
        };
        byte += 1;
    }
    all
}

/// The letter that stands for a byte.
pub(super) fn letter(byte: u8) -> char {
    LETTERS[usize::from(byte)]
}

/// The byte that a letter stands for.
pub(super) fn byte(letter: char) -> Option<u8> {
    match u32::from(letter) {
        code @ 0..=0xff => u8::try_from(code).ok().filter(|&byte| LETTERS[usize::from(byte)] == letter),
        code => (0..=u8::MAX).filter(|&byte| u32::from(LETTERS[usize::from(byte)]) > 0xff).nth((code - 0x100) as usize),
    }
}

/// Bytes spelled in letters.
pub(super) fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| letter(byte)).collect()
}

/// The bytes that a text of letters stands for; `None` if another character is in it.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter_of_its_own() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(bytes(&spell(&all)), Some(all));
        assert_eq!((letter(b' '), letter(b'\n'), letter(b'a'), letter(0xad)), ('Ġ', 'Ċ', 'a', '\u{143}'));
        assert_eq!(['\0', ' ', '\u{144}', '日', '\u{10ffff}'].map(byte), [None; 5]);
    }
}
