//! Who imports whom: a crate's files as modules, and what each takes from the others.
//!
//! Reads the text of the files, not what a compiler makes of it, which is enough for the house's way of
//! writing: one module a file, imports by `crate::` or `super::`. What a file only passes on (`pub use`)
//! is no import of its own: who takes it depends on the file that has it. Tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Token, Use, read_tokens, split};

/// A file of a crate.
#[derive(Debug)]
struct Module {
    /// From the crate's root on; empty for the root.
    path: Vec<String>,
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    uses: Vec<Use>,
    code: Vec<Token>,
    /// What it defines.
    items: BTreeSet<String>,
}

impl Module {
    /// Whether its code says this name, and not behind another's as a part of that.
    fn names(&self, name: &str) -> bool {
        let is_part = |at: usize| at > 0 && self.code[at - 1].is("::");
        (0..self.code.len()).any(|at| self.code[at].is(name) && !is_part(at))
    }
}

/// The imports of a crate: what a file takes from another, by the places of both among the files.
#[derive(Debug)]
pub(crate) struct Imports {
    modules: Vec<Module>,
    edges: BTreeMap<(usize, usize), BTreeSet<String>>,
}

/// Rooms from the ground up, each with those that it may import, all of them further down.
pub(crate) type Rooms<'a> = &'a [(&'a str, &'a [&'a str])];

impl Imports {
    /// Those of the crate whose root is this file, such as `engine/src/lib.rs`.
    pub(crate) fn of(root: &Path) -> Self {
        let mut all = Self { modules: Vec::new(), edges: BTreeMap::new() };
        all.add(root.to_owned(), &[], 0);
        for from in 0..all.modules.len() {
            for (to, name) in all.taken_by(from) {
                if to != from {
                    all.edges.entry((from, to)).or_default().insert(name);
                }
            }
        }
        all
    }

    /// The number of files.
    pub(crate) fn files(&self) -> usize {
        self.modules.len()
    }

    fn add(&mut self, file: PathBuf, path: &[String], parent: usize) -> usize {
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parts = split(&read_tokens(&text));
        let at = self.modules.len();
        // `mod.rs`, `lib.rs` and `main.rs` have their modules beside them, others in a folder of their name.
        let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("mod" | "lib" | "main") => file.with_file_name(""),
            _ => file.with_extension(""),
        };
        self.modules.push(Module {
            path: path.to_vec(),
            file,
            parent,
            children: BTreeMap::new(),
            uses: parts.uses,
            code: parts.code,
            items: parts.items,
        });
        for name in parts.modules {
            let places = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let Some(file) = places.into_iter().find(|place| place.is_file()) else {
                panic!("{}: there is no file for `mod {name};`", folder.display());
            };
            let child = self.add(file, &[path, std::slice::from_ref(&name)].concat(), at);
            self.modules[at].children.insert(name, child);
        }
        at
    }

    /// The files that one takes something from, and what.
    fn taken_by(&self, from: usize) -> Vec<(usize, String)> {
        let module = &self.modules[from];
        let mut taken = Vec::new();
        for import in &module.uses {
            let is_used = !import.is_public || module.names(&import.name);
            let found = self.resolve(from, &import.path, 0);
            // Of a whole module, what is said with its name counts, which is read below.
            if let (true, Some((to, is_item))) = (is_used, found)
                && (is_item || import.is_glob)
            {
                taken.push((to, import.name.clone()));
            }
        }
        let mut at = 0;
        while at < module.code.len() {
            let path = path_at(&module.code[at..]);
            if path.len() > 1
                && let Some((to, true)) = self.resolve(from, &path, 0)
            {
                taken.push((to, path.join("::")));
            }
            at += (2 * path.len()).max(2) - 1;
        }
        taken
    }

    /// The file in which a path ends, as one reads it, and whether there is an item behind the modules.
    /// `None` for another crate's, and for names of the file itself.
    fn resolve(&self, at: usize, path: &[String], depth: usize) -> Option<(usize, bool)> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[at];
        match first.as_str() {
            "crate" => self.walk(0, rest, depth),
            "self" => self.walk(at, rest, depth),
            "super" if rest.first().is_some_and(|next| next == "super") => {
                self.resolve(module.parent, rest, depth)
            }
            "super" => self.walk(module.parent, rest, depth),
            name => match module.children.get(name) {
                Some(&child) => self.walk(child, rest, depth),
                None => self.through(at, name, rest, depth),
            },
        }
    }

    /// As [`Self::resolve`], inside a module.
    fn walk(&self, at: usize, path: &[String], depth: usize) -> Option<(usize, bool)> {
        let Some((name, rest)) = path.split_first() else { return Some((at, false)) };
        let module = &self.modules[at];
        // A function may be called as the module beside it.
        let is_item = rest.is_empty() && module.items.contains(name);
        match module.children.get(name).filter(|_| !is_item) {
            Some(&child) => self.walk(child, rest, depth),
            None if module.items.contains(name) => Some((at, true)),
            None => self.through(at, name, rest, depth).or(Some((at, true))),
        }
    }

    /// A name that a module has from another.
    fn through(
        &self,
        at: usize,
        name: &str,
        rest: &[String],
        depth: usize,
    ) -> Option<(usize, bool)> {
        let uses = &self.modules[at].uses;
        // Names that are passed on in a circle are another crate's.
        if depth > 16 {
            return None;
        }
        let may_be =
            |import: &&Use| (import.name == name || import.is_glob) && import.path.len() > 1;
        for import in uses.iter().filter(may_be) {
            let found = match self.resolve(at, &import.path, depth + 1) {
                Some((to, _)) if import.is_glob => {
                    let path = [vec![name.to_owned()], rest.to_vec()].concat();
                    let found = self.walk(to, &path, depth + 1);
                    found.filter(|found| self.modules[found.0].items.contains(name))
                }
                Some((to, false)) => self.walk(to, rest, depth + 1),
                Some((to, true)) => Some((to, true)),
                None => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// A file as people name it: its modules.
    fn name(&self, at: usize) -> String {
        match self.modules[at].path.as_slice() {
            [] => self.modules[at].file.file_name().unwrap_or_default().display().to_string(),
            path => path.join("/"),
        }
    }

    /// The top-level module that a file belongs to, or the root's name.
    fn room(&self, at: usize) -> String {
        self.modules[at].path.first().cloned().unwrap_or_else(|| self.name(at))
    }

    /// The files that import each other in circles: one line for each such set, with what holds it together.
    /// Circles inside of the rooms `but` are left out.
    pub(crate) fn circles(&self, but: &[&str]) -> Vec<String> {
        let n = self.modules.len();
        let reached: Vec<BTreeSet<usize>> = (0..n).map(|at| self.reached_from(at)).collect();
        let mut is_told = vec![false; n];
        let mut circles = Vec::new();
        for at in 0..n {
            if is_told[at] || !reached[at].contains(&at) {
                continue;
            }
            let circle: Vec<usize> =
                (0..n).filter(|&b| reached[at].contains(&b) && reached[b].contains(&at)).collect();
            let mut text = format!("{} files:", circle.len());
            for &file in &circle {
                is_told[file] = true;
            }
            for ((from, to), names) in &self.edges {
                if circle.contains(from) && circle.contains(to) {
                    let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
                    let (from, to) = (self.name(*from), self.name(*to));
                    text.extend(["\n    ", &from, " imports ", &to, " (", &names, ")"]);
                }
            }
            if !circle.iter().all(|&file| but.contains(&self.room(file).as_str())) {
                circles.push(text);
            }
        }
        circles
    }

    fn reached_from(&self, start: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for (_, to) in self.edges.keys().filter(|(from, _)| *from == at) {
                if reached.insert(*to) {
                    open.push(*to);
                }
            }
        }
        reached
    }

    /// What the imports and a table of rooms say differently.
    pub(crate) fn offenses(&self, rooms: Rooms<'_>) -> Vec<String> {
        let mut offenses = Vec::new();
        for (place, (room, below)) in rooms.iter().enumerate() {
            for other in *below {
                if !rooms[..place].iter().any(|(name, _)| name == other) {
                    offenses.push(format!("{room} may not import {other}, which is not below it"));
                }
            }
        }
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for at in 0..self.modules.len() {
            if !self.modules[at].path.is_empty() {
                found.entry(self.room(at)).or_default();
            }
        }
        for ((from, to), names) in &self.edges {
            let (a, b) = (self.room(*from), self.room(*to));
            if a == b {
                continue;
            }
            found.entry(a.clone()).or_default().insert(b.clone());
            if !rooms.iter().any(|(room, below)| *room == a && below.contains(&b.as_str())) {
                let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
                offenses.push(format!("{} imports {} ({names})", self.name(*from), self.name(*to)));
            }
        }
        for room in found.keys().filter(|room| !rooms.iter().any(|(name, _)| name == room)) {
            offenses.push(format!("{room} is not in the table"));
        }
        for (room, below) in rooms {
            let Some(imported) = found.get(*room) else {
                offenses.push(format!("{room} is in the table and not there"));
                continue;
            };
            for other in below.iter().filter(|other| !imported.contains(**other)) {
                offenses.push(format!("{room} does not import {other}: the table may forbid it"));
            }
        }
        offenses
    }
}

/// The path at the head of some tokens: `a::b::c`; empty if there is none.
fn path_at(tokens: &[Token]) -> Vec<String> {
    let mut path = Vec::new();
    for pair in tokens.chunks(2) {
        let Token::Word(word) = &pair[0] else { break };
        path.push(word.clone());
        if pair.get(1) != Some(&Token::Sign("::".to_owned())) {
            break;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of files, each with its text.
    fn of(files: &[(&str, &str)]) -> Imports {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Imports::of(&folder.path().join("lib.rs"))
    }

    #[test]
    fn a_circle_is_found_with_what_holds_it_together() {
        let a = "use crate::b::{c::{self, C as D}, other};\nfn f() { c::call(D); }\npub struct A;";
        let c = "/// Not `super::super::none`.\npub struct C;\npub fn call(_: C) -> super::super::A { \"}\" }";
        let lib = "mod a;\nmod b;\npub use a::A;";
        let files = [
            ("lib.rs", lib),
            ("a.rs", a),
            ("b/mod.rs", "pub mod c;\npub fn other() {}"),
            ("b/c.rs", c),
        ];
        let imports = of(&files);
        assert_eq!(imports.files(), 4);
        let circles = imports.circles(&[]);
        let told = "2 files:\n    a imports b/c (D, c::call)\n    b/c imports a (super::super::A)";
        assert_eq!(circles, [told]);
        assert!(imports.circles(&["a", "b"]).is_empty());
        let room = ("a", &["b"][..]);
        let offenses = imports.offenses(&[("b", &[]), room]);
        assert_eq!(offenses, ["b/c imports a (super::super::A)"]);
        let offenses = imports.offenses(&[room, ("b", &["a"])]);
        assert_eq!(offenses, ["a may not import b, which is not below it"]);
        let offenses = imports.offenses(&[("b", &["a"]), ("old", &[])]);
        let told = [
            "b may not import a, which is not below it",
            "a imports b (other)",
            "a imports b/c (D, c::call)",
            "a is not in the table",
            "old is in the table and not there",
        ];
        assert_eq!(offenses, told);
    }

    #[test]
    fn what_is_passed_on_and_what_tests_import_holds_no_circle_together() {
        let upper = "mod lower;\npub use lower::{Lower, lift};\npub const WORD: char = '\\'';\n\
                     #[cfg(test)]\nmod tests { use super::lower::Lower; }\n#[cfg(test)] mod more;";
        let lower =
            "use super::WORD;\npub struct Lower<'a>(&'a str);\npub fn lift() { WORD; r#\"\"::\"# }";
        let files = [("lib.rs", "mod upper;"), ("upper.rs", upper), ("upper/lower.rs", lower)];
        assert!(of(&files).circles(&[]).is_empty());
        let used = upper.replace("'\\''", "lift()");
        let files = [("lib.rs", "mod upper;"), ("upper.rs", &used), ("upper/lower.rs", lower)];
        let told =
            "2 files:\n    upper imports upper/lower (lift)\n    upper/lower imports upper (WORD)";
        assert_eq!(of(&files).circles(&[]), [told]);
    }
}
