//! What the places of files in folders say: which class an image belongs to.

use std::collections::BTreeMap;

/// Class names, and the class of each image, from the folders each image lies in (outermost
/// first). Folders that all images share say nothing and are ignored; the next one is the class.
/// An image that lies directly in the shared folder has no class.
pub(super) fn classes_of(folders: &[Vec<String>]) -> (Vec<String>, Vec<Option<u32>>) {
    let Some(first) = folders.first() else { return (Vec::new(), Vec::new()) };
    let shared = folders.iter().fold(first.len(), |shared, other| {
        first.iter().zip(other).take(shared).take_while(|(a, b)| a == b).count()
    });
    let mut numbers: BTreeMap<&str, u32> =
        folders.iter().filter_map(|f| f.get(shared)).map(|name| (name.as_str(), 0)).collect();
    for (number, value) in (0..).zip(numbers.values_mut()) {
        *value = number;
    }
    let classes = folders
        .iter()
        .map(|f| f.get(shared).and_then(|name| numbers.get(name.as_str())).copied())
        .collect();
    (numbers.into_keys().map(str::to_owned).collect(), classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(paths: &[&str]) -> Vec<Vec<String>> {
        paths
            .iter()
            .map(|p| p.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn the_first_folder_that_differs_is_the_class() {
        let (names, classes) = classes_of(&folders(&["test/dog", "test/cat", "test/dog/small"]));
        assert_eq!(names, ["cat", "dog"]);
        assert_eq!(classes, [Some(1), Some(0), Some(1)]);
    }

    #[test]
    fn one_folder_for_all_is_no_class() {
        let (names, classes) = classes_of(&folders(&["photos", "photos"]));
        assert!(names.is_empty());
        assert_eq!(classes, [None, None]);
    }

    #[test]
    fn images_beside_the_class_folders_have_none() {
        let (names, classes) = classes_of(&folders(&["", "cat", "dog"]));
        assert_eq!(names, ["cat", "dog"]);
        assert_eq!(classes, [None, Some(0), Some(1)]);
        assert_eq!(classes_of(&[]), (vec![], vec![]));
    }
}
