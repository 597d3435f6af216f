//! How fast a tokenizer encodes a text: `cargo run --release -p monotile-llama --example tokenize FOLDER TEXT`.

use std::path::Path;
use std::time::Instant;

use monotile_llama::Tokenizer;

fn main() -> monotile::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, path] = arguments.as_slice() else {
        eprintln!("usage: tokenize FOLDER TEXT");
        std::process::exit(2);
    };
    let begun = Instant::now();
    let tokenizer = Tokenizer::read(Path::new(folder))?;
    println!("read in {:.1} ms", 1e3 * begun.elapsed().as_secs_f64());
    let text = monotile_llama::data::TokenDataset::text(Path::new(path))?;
    // The first pass has to learn every word.
    for pass in ["first", "again", "again"] {
        let begun = Instant::now();
        let count = tokenizer.encode(&text)?.len();
        let rate = text.len() as f64 / 1e6 / begun.elapsed().as_secs_f64();
        println!("{pass}: {count} tokens, {rate:.1} MB/s");
    }
    Ok(())
}
