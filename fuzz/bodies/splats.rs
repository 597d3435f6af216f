//! A file of splats, of the format that the first byte says: read or refused in a sentence; what is read has its shapes, and is written and read again.

use monotile_radiance::{AxisFrame, SplatFormat, SplatReadOptions, SplatWriteOptions, Splats};

use super::{folder, sentence};

pub fn run(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let format = SplatFormat::ALL[usize::from(first) % SplatFormat::ALL.len()];
    let (splats, about) = match Splats::from_bytes(format, bytes, &SplatReadOptions::default()) {
        Ok(read) => read,
        Err(error) => return sentence(&error),
    };
    let n = splats.len();
    let degree = splats.degree().expect("as many harmonics as a degree has");
    assert_eq!((splats.means.shape(), splats.rotations.shape()), (&[n, 3][..], &[n, 4][..]));
    assert!(splats.means.to_vec::<f32>().expect("means").iter().all(|x| x.is_finite()));
    // Large ones take long to write, and say no more.
    if n == 0 || n > 2000 {
        return;
    }
    let path = folder().join(format!("splats{}", SplatFormat::ALL[usize::from(first / 16) % SplatFormat::ALL.len()].ending()));
    let options = SplatWriteOptions { frame: about.frame, spz_version: 3 + u32::from(first & 1), ..SplatWriteOptions::default() };
    splats.write_as(&path, &options).expect("what was read is written");
    let (again, about) = Splats::read(&path, &SplatReadOptions::default()).expect("what was written is read");
    let again = again.to_frame(about.frame, AxisFrame::Rdf).expect("a frame");
    assert!(again.len() + about.dropped == n && again.degree().is_some_and(|d| d <= degree));
}
