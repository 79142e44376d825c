//! What tokenizers and generators are called, so that two that are open at once are never taken for each other.

use std::path::Path;

use smalti_engine::questions::ModelRef;

use super::value::Document;

impl Document {
    /// What a person calls a tokenizer or a generator: its own name, and where another one that is open has the same, with the
    /// nearest folder that the others do not lie in.
    pub fn name_of(&self, model: &ModelRef) -> String {
        let label = model.label();
        let ModelRef::File { path, .. } = model else { return label };
        let known = std::iter::once(&self.model).chain(self.others.iter().flatten());
        // What is only kept, of thousands of images maybe, was opened once, too.
        let known = known.chain(&self.checkpoint).chain(self.opened.models.iter());
        let known = known.chain(self.generating.generators());
        let known = known.chain(self.race.chosen.iter().flatten());
        let mut alike: Vec<Option<&Path>> = Vec::new();
        for other in known {
            let place = match other {
                ModelRef::File { path: other, .. } if other == path => continue,
                ModelRef::File { path, .. } => Some(&**path),
                ModelRef::Shipped(_) => None,
            };
            if !alike.contains(&place) && other.label() == label {
                alike.push(place);
            }
        }
        if alike.is_empty() {
            return label;
        }
        let folders = |path: &Path| -> Vec<String> {
            let names = path.ancestors().skip(1).filter_map(Path::file_name);
            names.map(|name| name.to_string_lossy().into_owned()).collect()
        };
        let own = folders(path);
        let others: Vec<Vec<String>> = alike.into_iter().flatten().map(folders).collect();
        // Beside it in one folder lies the same name with another ending.
        let is_beside = |other: &Vec<String>| *other == own;
        let file = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let label = if others.iter().any(is_beside) { file() } else { label };
        let differs = |at: &usize| {
            others
                .iter()
                .filter(|other| !is_beside(other))
                .all(|other| other.get(*at) != own.get(*at))
        };
        match (0..own.len()).find(differs) {
            Some(at) if !label.starts_with(&format!("{}/", own[at])) => {
                format!("{}/{label}", own[at])
            }
            _ => label,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Open, Race, Racing, Slot};
    use smalti_engine::questions::Stamp;

    fn file(path: &str) -> ModelRef {
        ModelRef::File { path: Path::new(path).into(), stamp: Stamp::default() }
    }

    #[test]
    fn tokenizers_of_one_name_are_called_by_the_folder_in_which_they_differ() {
        let [a, b, c] = ["/runs/one/tiny.pt", "/runs/two/tiny.pt", "/runs/two/tiny.ckpt"].map(file);
        let alone = Document::default().after(&Open::Model(Slot::A, a.clone()).into());
        assert_eq!(alone.name_of(&a), "tiny");
        let both = alone.after(&Open::Model(Slot::B, b.clone()).into());
        assert_eq!([&a, &b].map(|model| both.name_of(model)), ["one/tiny", "two/tiny"]);
        let all = both.after(&Open::Model(Slot::C, c.clone()).into());
        let names = [&a, &b, &c].map(|model| all.name_of(model));
        assert_eq!(names, ["one/tiny", "two/tiny.pt", "two/tiny.ckpt"]);
        // Generators that race are known as well.
        let race = Race { chosen: [Some(a.clone()), Some(b.clone()), None], ..Race::default() };
        let raced = Document::default().after(&Racing::Set(Box::new(race)).into());
        assert_eq!([&a, &b].map(|model| raced.name_of(model)), ["one/tiny", "two/tiny"]);
        // The same name deeper, and one that comes with Smalti.
        let (deep, other) = (file("/x/m/vae/good.pt"), file("/y/m/vae/good.pt"));
        let two = alone.after(&Open::Model(Slot::B, deep.clone()).into());
        let two = two.after(&Open::Model(Slot::C, other.clone()).into());
        assert_eq!([&deep, &other].map(|model| two.name_of(model)), ["x/good", "y/good"]);
        let (own, shipped) = (file("/mine/worlds-fsq.pt"), ModelRef::Shipped("worlds-fsq".into()));
        let two = alone.after(&Open::Model(Slot::B, own.clone()).into());
        let two = two.after(&Open::Model(Slot::C, shipped.clone()).into());
        assert_eq!(
            [&own, &shipped].map(|model| two.name_of(model)),
            ["mine/worlds-fsq", "worlds-fsq"]
        );
    }
}
