//! Which files make up the source: every `.yaml`, `.yml` and `.json` below the
//! folder, in the order of their bytes, each once, none outside of the folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;
/// The most files of one source.
pub const MAX_FILES: usize = 20_000;
/// The deepest folder that is looked into.
const MAX_DEPTH: usize = 32;

/// Something that was not read, and why.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) path: PathBuf,
    pub(super) message: String,
}

/// The files of a source.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    pub(super) unread: Vec<Unread>,
}

impl Found {
    fn miss(&mut self, path: &Path, message: impl Into<String>) {
        self.unread.push(Unread { path: path.to_owned(), message: message.into() });
    }
}

/// Finds the files. A path that is a file is taken whatever it is called.
pub(super) fn find(path: &Path) -> Found {
    let mut found = Found::default();
    match fs::metadata(path) {
        Err(error) => found.miss(path, format!("cannot be read: {}: check the path", plain(&error))),
        Ok(meta) if meta.is_dir() => match path.canonicalize() {
            Ok(root) => {
                let mut walk = Walk { root, seen: BTreeSet::new(), found };
                walk.seen.insert(walk.root.clone());
                walk.folder(path, 0);
                found = walk.found;
                found
                    .files
                    .sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
            }
            Err(error) => found.miss(path, format!("cannot be read: {}", plain(&error))),
        },
        Ok(_) => found.files.push(path.to_owned()),
    }
    found
}

struct Walk {
    root: PathBuf,
    /// Real paths that were visited: ends loops of links and reads a file once.
    seen: BTreeSet<PathBuf>,
    found: Found,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                return self
                    .found
                    .miss(folder, format!("cannot be read: {}: check its permissions", plain(&error)));
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.found.files.len() >= MAX_FILES {
                return self
                    .found
                    .miss(folder, format!("holds more than {MAX_FILES} files: give a smaller folder"));
            }
            self.entry(&entry, depth);
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, depth: usize) {
        // Hidden: version control, editors, and the inside of mounted ConfigMaps.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            return;
        }
        let path = entry.path();
        let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let meta = fs::metadata(&path);
        let is_folder = meta.as_ref().is_ok_and(fs::Metadata::is_dir);
        if !is_folder && !is_ours(&path) {
            return;
        }
        let real = match meta.and_then(|_| path.canonicalize()) {
            Ok(real) => real,
            Err(error) => {
                let hint = if linked { ": it is a link to nothing that can be read" } else { "" };
                return self.found.miss(&path, format!("cannot be read: {}{hint}", plain(&error)));
            }
        };
        if !real.starts_with(&self.root) {
            let message = "is a link that leads out of the folder and is not followed: copy what it names";
            return self.found.miss(&path, message);
        }
        if !self.seen.insert(real) {
            return;
        }
        if !is_folder {
            self.found.files.push(path);
        } else if depth < MAX_DEPTH {
            self.folder(&path, depth + 1);
        } else {
            self.found.miss(&path, format!("lies more than {MAX_DEPTH} folders deep: give a nearer folder"));
        }
    }
}

fn is_ours(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json"))
}

/// Reads a file, never more than [`MAX_FILE`] of it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {}", plain(&error));
    let meta = fs::metadata(path).map_err(cannot)?;
    // Opening a pipe would wait for whoever writes into it.
    if !meta.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let too_large = |size: u64| {
        format!(
            "is {}.{} MiB large, at most 1 MiB is read: split it into several files",
            size >> 20,
            ((size & (MAX_FILE - 1)) * 10) >> 20
        )
    };
    if meta.len() > MAX_FILE {
        return Err(too_large(meta.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large(bytes.len() as u64));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8 text from line {line} on: save it as UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// An error of the operating system without its number.
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &Found, root: &Path) -> Vec<String> {
        let short = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        found.files.iter().map(short).collect()
    }

    #[test]
    fn files_come_in_the_order_of_bytes_and_only_ours() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/.git")).unwrap();
        for name in ["b/x.yml", "a.yaml", "B.json", "b/.git/c.yaml", "readme.md", ".hidden.yaml"] {
            fs::write(root.join(name), "").unwrap();
        }
        let found = find(root);
        assert_eq!(names(&found, root), ["B.json", "a.yaml", "b/x.yml"]);
        assert!(found.unread.is_empty(), "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_the_folder_only_and_a_loop_ends() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("x.yaml"), "").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("b")).unwrap();
        fs::write(root.join("b/a.yaml"), "").unwrap();
        symlink(root, root.join("b/loop")).unwrap();
        symlink(root.join("b/a.yaml"), root.join("same.yaml")).unwrap();
        symlink(outside.path().join("x.yaml"), root.join("out.yaml")).unwrap();
        symlink(outside.path(), root.join("folder")).unwrap();
        symlink(root.join("nowhere.yaml"), root.join("dead.yaml")).unwrap();
        let found = find(root);
        assert_eq!(names(&found, root), ["b/a.yaml"]);
        let unread: Vec<_> =
            found.unread.iter().map(|u| u.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(unread, ["dead.yaml", "folder", "out.yaml"]);
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, vec![b'#'; 2_000_000]).unwrap();
        assert_eq!(
            read(&path).unwrap_err(),
            "is 1.9 MiB large, at most 1 MiB is read: split it into several files"
        );
        fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
        assert_eq!(read(&path).unwrap_err(), "is not UTF-8 text from line 2 on: save it as UTF-8");
    }
}
