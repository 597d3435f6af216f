//! A `.npy` file, or a `.npz` archive where the bytes begin as one: read whole or refused in a sentence.

use monotile::Tensor;
use monotile::io::Npz;

use super::{file, sentence};

pub fn run(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        let path = file("a.npz", bytes);
        match Npz::open(&path) {
            Ok(archive) => archive.names().iter().take(16).for_each(|name| check(archive.tensor(name))),
            Err(error) => sentence(&error),
        }
    } else {
        check(Tensor::read_npy(file("a.npy", bytes)));
    }
}

/// What was read has as many elements as its shape says, and comes back from a file of our own.
fn check(read: monotile::Result<Tensor>) {
    let tensor = match read {
        Ok(tensor) => tensor,
        Err(error) => return sentence(&error),
    };
    let numbers = match tensor.to_f64_vec() {
        Ok(numbers) => numbers,
        Err(error) => return sentence(&error),
    };
    assert_eq!(numbers.len(), tensor.len());
    let path = file("again.npy", b"");
    match tensor.write_npy(&path) {
        Ok(()) => {
            let again = Tensor::read_npy(&path).expect("a file of our own");
            assert_eq!(again.shape(), tensor.shape());
            assert!(again.to_f64_vec().expect("as before").iter().zip(numbers).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        Err(error) => sentence(&error),
    }
}
