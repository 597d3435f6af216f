//! What a page calls to draw Gaussian splats on the processor: a scene in bytes of SPZ, a camera, and pixels for a canvas.
//!
//! A module of WebAssembly without imports. The page writes into memory whose place it is told, and reads from there; no other call moves that memory.
//!
//! | function | what |
//! | --- | --- |
//! | `room(bytes)` | where the page writes the file, unpacked by gzip |
//! | `open()` | reads it: how many splats there are, or −1 where it is none that can be read; `words()` tells why |
//! | `show(degree)` | harmonics above the degree count as 0 from now on |
//! | `settings()` | where the page writes 31 numbers of f64: a camera's 24, then those of [`DrawSettings`] |
//! | `draw(width, height)` | draws, and tells where four bytes of each pixel are; 0 where memory does not suffice |
//! | `column(k)`, `length(k)` | means, rotations, log scales, logits and harmonics, as f32 |
//! | `words()`, `words_length()` | why the last call did not do what it was asked, in UTF-8 |
//!
//! `scripts/web.py` builds it into the command's assets.
#![deny(unsafe_code)]

mod page_scene;

use std::cell::RefCell;

pub use page_scene::{DrawSettings, PageScene};

/// How many numbers `settings` has room for.
const SETTINGS: usize = 31;

/// What lasts between calls.
#[derive(Default)]
struct PageState {
    file: Vec<u8>,
    settings: [f64; SETTINGS],
    scene: Option<PageScene>,
    words: String,
}

thread_local! {
    static STATE: RefCell<PageState> = RefCell::default();
}

fn with<R>(call: impl FnOnce(&mut PageState) -> R) -> R {
    STATE.with_borrow_mut(call)
}

/// Functions of the module, by their own names.
macro_rules! exports {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty $body:block)+) => {$(
        #[allow(unsafe_code, reason = "the page finds it by its name, which no other function of the module has")]
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "a page alone calls it"))]
        extern "C" fn $name($($arg: $type),*) -> $out $body
    )+};
}

exports! {
    fn room(bytes: usize) -> *const u8 {
        with(|state| {
            state.file = Vec::new();
            if state.file.try_reserve_exact(bytes).is_err() {
                return std::ptr::null();
            }
            state.file.resize(bytes, 0);
            state.file.as_ptr()
        })
    }

    fn open() -> i32 {
        with(|state| {
            let file = std::mem::take(&mut state.file);
            match PageScene::read(&file) {
                Ok(scene) => {
                    let splats = scene.len();
                    state.scene = Some(scene);
                    splats as i32
                }
                Err(words) => {
                    state.words = words;
                    -1
                }
            }
        })
    }

    fn show(degree: usize) -> () {
        with(|state| {
            if let Some(scene) = &mut state.scene {
                scene.show(degree);
            }
        });
    }

    fn settings() -> *const f64 {
        with(|state| state.settings.as_ptr())
    }

    fn draw(width: usize, height: usize) -> *const u8 {
        with(|state| {
            let settings = DrawSettings::from_numbers(&state.settings);
            let Some(scene) = &mut state.scene else { return std::ptr::null() };
            match scene.draw([width, height], &settings) {
                Ok(pixels) => pixels.as_ptr(),
                Err(words) => {
                    state.words = words;
                    std::ptr::null()
                }
            }
        })
    }

    fn column(k: usize) -> *const f32 {
        with(|state| state.scene.as_ref().and_then(|scene| scene.columns().get(k).map(|x| x.as_ptr())).unwrap_or(std::ptr::null()))
    }

    fn length(k: usize) -> usize {
        with(|state| state.scene.as_ref().and_then(|scene| scene.columns().get(k).map(|x| x.len())).unwrap_or_default())
    }

    fn words() -> *const u8 {
        with(|state| state.words.as_ptr())
    }

    fn words_length() -> usize {
        with(|state| state.words.len())
    }
}

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
