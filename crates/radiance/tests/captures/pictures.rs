//! Pictures of all kinds: their numbers, and how they are turned.

use std::path::Path;

use monotile_radiance::{Capture, CaptureOptions, CapturePicture, CaptureView};
use png::{BitDepth, ColorType};
use serde_json::json;

use super::shared::{close, png, words};

/// A capture of one picture, whose size is the picture's.
fn capture(folder: &Path, name: &str) -> monotile::Result<Capture> {
    let matrix = json!([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]);
    let whole = json!({ "camera_angle_x": 0.8, "frames": [{ "file_path": name, "transform_matrix": matrix }] });
    std::fs::write(folder.join("transforms.json"), whole.to_string()).unwrap();
    Capture::read(folder, &CaptureOptions::default())
}

fn picture(folder: &Path, name: &str) -> CapturePicture {
    capture(folder, name).unwrap().views[0].picture().unwrap()
}

#[test]
fn png_of_every_kind_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let read = |color, depth, samples: &[u8]| {
        png(&path, [2, 1], color, depth, samples);
        picture(folder.path(), "a.png").rgba.to_f64_vec().unwrap()
    };
    let byte = |x: u8| f64::from(x) / 255.0;
    let two = |x: u16| f64::from(x) / 65535.0;
    let near = |what: &str, found: Vec<f64>, expected: [f64; 8]| close(what, &found, &expected, 1e-7);
    let [a, b, c] = [10, 20, 230].map(byte);
    near("gray", read(ColorType::Grayscale, BitDepth::Eight, &[10, 230]), [a, a, a, 1.0, c, c, c, 1.0]);
    near("gray and alpha", read(ColorType::GrayscaleAlpha, BitDepth::Eight, &[10, 20, 230, 0]), [a, a, a, b, c, c, c, 0.0]);
    near("colours", read(ColorType::Rgb, BitDepth::Eight, &[10, 20, 230, 20, 10, 230]), [a, b, c, 1.0, b, a, c, 1.0]);
    near("four", read(ColorType::Rgba, BitDepth::Eight, &[10, 20, 230, 20, 20, 10, 230, 0]), [a, b, c, b, b, a, c, 0.0]);
    let [x, y] = [0x1234, 0xfedc].map(two);
    near("16 bits, gray", read(ColorType::Grayscale, BitDepth::Sixteen, &[0x12, 0x34, 0xfe, 0xdc]), [x, x, x, 1.0, y, y, y, 1.0]);
    let samples = [0x12, 0x34, 0xfe, 0xdc, 0, 0, 0xfe, 0xdc, 0, 0, 0x12, 0x34, 0xff, 0xff, 0xff, 0xff];
    near("16 bits, four", read(ColorType::Rgba, BitDepth::Sixteen, &samples), [x, y, 0.0, y, 0.0, x, 1.0, 1.0]);
    // Colours 1 and 2 of three, whose alphas are 255, 128 and, unsaid, 255.
    let half = byte(128);
    near("palette", read(ColorType::Indexed, BitDepth::Eight, &[1, 2]), [0.0, 1.0, 0.0, half, 0.0, 0.0, 1.0, 1.0]);
    near("palette of 2 bits", read(ColorType::Indexed, BitDepth::Two, &[0b0110_0000]), [0.0, 1.0, 0.0, half, 0.0, 0.0, 1.0, 1.0]);
    near("one bit", read(ColorType::Grayscale, BitDepth::One, &[0b0100_0000]), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
}

/// A gray JPEG whose blocks of 8 x 8 pixels have one brightness each, as few bytes as the standard allows; with Exif's orientation, if one is named.
pub fn jpeg(blocks: &[&[u8]], orientation: Option<(u8, bool)>) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let mut segment = |marker: u8, data: &[u8]| {
        bytes.extend([0xff, marker]);
        bytes.extend((data.len() as u16 + 2).to_be_bytes());
        bytes.extend(data);
    };
    if let Some((orientation, little)) = orientation {
        let short = |x: u16| if little { x.to_le_bytes() } else { x.to_be_bytes() };
        let long = |x: u32| if little { x.to_le_bytes() } else { x.to_be_bytes() };
        let mut exif = b"Exif\0\0".to_vec();
        exif.extend(if little { b"II" } else { b"MM" });
        exif.extend([&short(42)[..], &long(8), &short(2)].concat());
        exif.extend([&short(256)[..], &short(4), &long(1), &long(99)].concat());
        exif.extend([&short(274)[..], &short(3), &long(1), &short(orientation.into()), &short(0), &long(0)].concat());
        segment(0xe1, &exif);
    }
    // Every coefficient counts eight: the first one of a block is then the mean's distance from 128.
    segment(0xdb, &[&[0][..], &[8; 64]].concat());
    let side = |count: usize| (8 * count as u16).to_be_bytes();
    segment(0xc0, &[&[8][..], &side(blocks.len()), &side(blocks[0].len()), &[1, 1, 0x11, 0]].concat());
    // Twelve codes of four bits for the length of a difference; one code, 0, for no more coefficients.
    segment(0xc4, &[&[0, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat());
    segment(0xc4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
    segment(0xda, &[1, 1, 0x00, 0, 63, 0]);
    let mut bits = Vec::new();
    let mut before = 128_i32;
    for &level in blocks.iter().copied().flatten() {
        let difference = i32::from(level) - before;
        before = i32::from(level);
        let length = 32 - difference.unsigned_abs().leading_zeros();
        let value = if difference < 0 { difference + (1 << length) - 1 } else { difference };
        bits.extend((0..4).rev().map(|k| length >> k & 1));
        bits.extend((0..length).rev().map(|k| value as u32 >> k & 1));
        bits.push(0);
    }
    for byte in bits.chunks(8) {
        let byte = (0..8).fold(0, |all, k| (all << 1) | byte.get(k).copied().unwrap_or(1)) as u8;
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

/// The middle of each block.
fn levels(view: &CaptureView) -> Vec<Vec<u8>> {
    let rgba = view.picture().unwrap().rgba.to_f64_vec().unwrap();
    let level = |row: usize, column: usize| (255.0 * rgba[4 * ((8 * row + 4) * view.width + 8 * column + 4)]).round() as u8;
    (0..view.height / 8).map(|row| (0..view.width / 8).map(|column| level(row, column)).collect()).collect()
}

#[test]
fn jpeg_is_turned_as_exif_says() {
    let folder = tempfile::tempdir().unwrap();
    let blocks: [&[u8]; 2] = [&[10, 100, 200], &[50, 150, 250]];
    let turned = |orientation| {
        std::fs::write(folder.path().join("a.jpg"), jpeg(&blocks, orientation)).unwrap();
        levels(&capture(folder.path(), "a").unwrap().views[0])
    };
    let plain = vec![vec![10, 100, 200], vec![50, 150, 250]];
    assert_eq!(turned(None), plain);
    assert_eq!(turned(Some((1, true))), plain);
    assert_eq!(turned(Some((9, true))), plain);
    for little in [true, false] {
        let turned = |orientation| turned(Some((orientation, little)));
        assert_eq!(turned(2), [[200, 100, 10], [250, 150, 50]]);
        assert_eq!(turned(3), [[250, 150, 50], [200, 100, 10]]);
        assert_eq!(turned(4), [[50, 150, 250], [10, 100, 200]]);
        assert_eq!(turned(5), [[10, 50], [100, 150], [200, 250]]);
        // 6 is shown turned to the right: what was left is above.
        assert_eq!(turned(6), [[50, 10], [150, 100], [250, 200]]);
        assert_eq!(turned(7), [[250, 200], [150, 100], [50, 10]]);
        assert_eq!(turned(8), [[200, 250], [100, 150], [10, 50]]);
    }
}

#[test]
fn a_jpeg_that_ends_early_is_refused_and_what_follows_its_end_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let whole = jpeg(&[&[10, 100, 200], &[50, 150, 250]], None);
    // As phones write films behind their pictures.
    std::fs::write(&path, [&whole[..], b"MotionPhoto_Data", &[0xff, 0xd8, 7, 9]].concat()).unwrap();
    assert_eq!(levels(&capture(folder.path(), "a").unwrap().views[0]), [[10, 100, 200], [50, 150, 250]]);
    std::fs::write(&path, &whole[..whole.len() - 6]).unwrap();
    let said = words(capture(folder.path(), "a").unwrap().views[0].picture(), &path);
    assert!(said.starts_with("is a picture that cannot be decoded: "), "{said}");
}

#[test]
fn a_capture_s_size_decides_whether_a_picture_is_turned() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), jpeg(&[&[10, 100, 200], &[50, 150, 250]], Some((6, true)))).unwrap();
    let matrix = json!([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]);
    let shown = |w: usize, h: usize| {
        let whole = json!({ "fl_x": 50, "w": w, "h": h, "frames": [{ "file_path": "a.jpg", "transform_matrix": matrix }] });
        std::fs::write(folder.path().join("transforms.json"), whole.to_string()).unwrap();
        levels(&Capture::read(folder.path(), &CaptureOptions::default()).unwrap().views[0])
    };
    assert_eq!(shown(16, 24), [[50, 10], [150, 100], [250, 200]]);
    assert_eq!(shown(48, 32), [[10, 100, 200], [50, 150, 250]]);
    // COLMAP looks at pixels as they are stored.
    std::fs::remove_file(folder.path().join("transforms.json")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("cameras.txt", "1 PINHOLE 24 16 50 50 12 8\n");
    write("images.txt", "1 1 0 0 0 0 0 0 1 a.jpg\n\n");
    std::fs::write(folder.path().join("a.jpg"), jpeg(&[&[10, 100, 200], &[50, 150, 250]], Some((3, true)))).unwrap();
    let capture = Capture::read(folder.path(), &CaptureOptions::default()).unwrap();
    assert_eq!(levels(&capture.views[0]), [[10, 100, 200], [50, 150, 250]]);
}

#[test]
fn damage_at_any_byte_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    png(&path, [3, 2], ColorType::Rgba, BitDepth::Sixteen, &[77; 48]);
    let jpeg = jpeg(&[&[10, 100], &[50, 150]], Some((5, false)));
    for whole in [std::fs::read(&path).unwrap(), jpeg] {
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let _ = capture(folder.path(), "a.png").map(|capture| capture.views[0].picture());
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                std::fs::write(&path, &changed).unwrap();
                let _ = capture(folder.path(), "a.png").map(|capture| capture.views[0].picture());
            }
        }
    }
}

#[test]
fn a_picture_too_large_is_refused_by_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    png(&path, [1, 1], ColorType::Grayscale, BitDepth::One, &[0]);
    let whole = std::fs::read(&path).unwrap();
    let says = |width: u32, height: u32| {
        let mut changed = whole.clone();
        changed[16..20].copy_from_slice(&width.to_be_bytes());
        changed[20..24].copy_from_slice(&height.to_be_bytes());
        std::fs::write(&path, &changed).unwrap();
        let capture = capture(folder.path(), "a.png");
        words(capture.and_then(|capture| capture.views[0].picture()), &path)
    };
    assert_eq!(says(0, 1), "is a picture of 0 x 1 pixels; 1 to 16384 a side are read");
    assert_eq!(says(1, 20000), "is a picture of 1 x 20000 pixels; 1 to 16384 a side are read");
    assert_eq!(says(16000, 16000), "asks for 256000000 pixels, and the limit \"pixels\" is 67108864");
    assert!(says(8000, 8000).starts_with("says that it is 8000 x 8000 pixels, in "));
}

#[test]
fn views_in_memory_are_views_like_others() {
    let v = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -3.0], [0.0, 0.0, 0.0, 1.0]];
    let tensor = |shape: &[usize]| monotile::Tensor::ones(shape, monotile::DType::F64).unwrap();
    let make = |rgba: &[usize], mask: Option<&[usize]>| {
        let picture = CapturePicture { rgba: tensor(rgba), mask: mask.map(tensor) };
        CaptureView::from_picture("a", v, [9.0, 8.0], picture)
    };
    let said = |rgba: &[usize], mask| make(rgba, mask).unwrap_err().to_string();
    assert_eq!(said(&[2, 3], None), "from_picture: a picture is [height, width, 4], got [2, 3]");
    assert_eq!(said(&[2, 3, 4], Some(&[3, 2])), "from_picture: the mask of this picture is [2, 3], got [3, 2]");
    let view = make(&[2, 3, 4], Some(&[2, 3])).unwrap();
    assert_eq!((view.width, view.height, view.intrinsics, view.has_picture()), (3, 2, [9.0, 8.0, 1.5, 1.0], true));
    assert_eq!(view.position(), [0.0, 0.0, 3.0]);
    let capture = Capture::from_views(vec![view], None);
    let folder = tempfile::tempdir().unwrap();
    let said = capture.write_cameras(folder.path()).unwrap_err().to_string();
    assert_eq!(said, "write_cameras: views in memory have no format of their own; name a file that ends in .json");
    let path = folder.path().join("cameras.json");
    capture.write_cameras(&path).unwrap();
    let found = Capture::read(&path, &CaptureOptions::default()).unwrap();
    assert_eq!((found.views[0].intrinsics, found.views[0].view_from_world), ([9.0, 8.0, 1.5, 1.0], v));
}
