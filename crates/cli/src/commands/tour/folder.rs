//! The folder of a tour: what is in it, and how it is told from other folders.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use monotile::io::{check_own, read_regular};
use monotile::{Error, limits};

use super::STATIONS;
use crate::command_error::CommandError;

/// The file of the page.
pub const PAGE: &str = "index.html";
/// How the last line of the page begins.
pub const WRITTEN_BY: &str = "Written by monotile";

/// The file of a station's figure.
pub fn figure(station: &str, number: usize) -> String {
    format!("{station}-{number}.svg")
}

/// The page of a station that has one of its own.
pub fn beside(station: &str) -> String {
    format!("{station}.html")
}

/// Refuses a folder that holds anything but an earlier tour, before anything is computed. Hidden files do not count.
pub fn check(folder: &Path) -> Result<(), CommandError> {
    let refuse = |e: std::io::Error| Error::io("writing", folder, &e);
    monotile_adapters::staged::check_is_folder(folder)?;
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(refuse)?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>().map_err(refuse)?;
    let mut names: Vec<_> = names.into_iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
    names.sort();
    let toured = is_page(&folder.join(PAGE))?;
    let Some(foreign) = names.iter().find(|name| !(toured && is_ours(name))) else {
        return Ok(names.iter().try_for_each(|name| check_own(&folder.join(name)))?);
    };
    let sentence = format!("{}: the folder holds {}, which no tour wrote", folder.display(), Path::new(foreign).display());
    Err(CommandError::new(sentence).hint("--out DIR names another folder"))
}

/// Whether a file is the page of a tour.
fn is_page(path: &Path) -> monotile::Result<bool> {
    check_own(path)?;
    if !path.exists() {
        return Ok(false);
    }
    let page = read_regular(path, &limits::TEXT)?;
    Ok(String::from_utf8_lossy(&page).contains(&format!("<footer>{WRITTEN_BY} ")))
}

/// Whether a tour gives files this name.
fn is_ours(name: &OsStr) -> bool {
    let number = |name: &str| {
        let (station, number) = name.strip_suffix(".svg")?.rsplit_once('-')?;
        let number = number.parse().ok()?;
        STATIONS.iter().any(|known| known.name == station && figure(station, number) == name).then_some(number)
    };
    let own_page = |name: &str| STATIONS.iter().any(|known| beside(known.name) == name);
    name == PAGE || name.to_str().is_some_and(|name| number(name).is_some() || own_page(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(folder: &Path) -> String {
        check(folder).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_written_where_it_is_empty_or_an_earlier_tours() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        check(root.path()).and(check(&root.path().join("none"))).unwrap();
        write(".hidden", "mine");
        check(root.path()).unwrap();
        write("scene-1.svg", "figure");
        assert!(
            refused(root.path()).contains(": the folder holds scene-1.svg, which no tour wrote\nhint: --out DIR names another")
        );
        write("index.html", "<html>mine</html>");
        assert!(refused(root.path()).contains(": the folder holds index.html, which no tour wrote"));
        write("index.html", &format!("<html><footer>{WRITTEN_BY} 0.1.0 tour.</footer></html>"));
        write("splats.html", "page");
        check(root.path()).unwrap();
        for foreign in ["scene-01.svg", "scene.svg", "other-1.svg", "other.html", "style.css"] {
            write(foreign, "mine");
            assert!(refused(root.path()).contains(&format!(": the folder holds {foreign}, which no tour wrote")));
            fs::remove_file(root.path().join(foreign)).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_among_the_files_of_a_tour_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("tour")).unwrap();
        fs::write(at("index.html"), format!("<footer>{WRITTEN_BY} 0.1.0 tour.</footer>")).unwrap();
        std::os::unix::fs::symlink("../index.html", at("tour/index.html")).unwrap();
        assert!(refused(&at("tour")).contains("index.html: is a link, and nothing is written through one here"));
        fs::remove_file(at("tour/index.html")).unwrap();
        fs::copy(at("index.html"), at("tour/index.html")).unwrap();
        std::os::unix::fs::symlink("../index.html", at("tour/scene-1.svg")).unwrap();
        assert!(refused(&at("tour")).contains("scene-1.svg: is a link, and nothing is written through one here"));
    }
}
