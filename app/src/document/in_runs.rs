//! Cells with their codes as text: runs along a row, as (part, frame, row, first column, codes). JSON has no keys but
//! words, and the names of a cell's numbers would take ten times the room of the code, in each of many noted states.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use smalti_engine::tokens::Cell;

type Run = (u16, u16, u16, u32, Vec<u32>);

/// What is read: a run, or a cell with its code, as they were written before.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Run(Run),
    Pair(Cell, u32),
}

pub(crate) fn serialize<S: Serializer>(
    cells: &Arc<BTreeMap<Cell, u32>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut runs: Vec<Run> = Vec::new();
    for (cell, code) in cells.iter() {
        match runs.last_mut() {
            Some((part, frame, row, first, codes))
                if (*part, *frame, *row) == (cell.part, cell.frame, cell.row)
                    && *first as usize + codes.len() == cell.column as usize =>
            {
                codes.push(*code);
            }
            _ => runs.push((cell.part, cell.frame, cell.row, cell.column, vec![*code])),
        }
    }
    runs.serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Arc<BTreeMap<Cell, u32>>, D::Error> {
    let mut cells = BTreeMap::new();
    for entry in Vec::<Entry>::deserialize(from)? {
        match entry {
            Entry::Pair(cell, code) => {
                cells.insert(cell, code);
            }
            Entry::Run((part, frame, row, first, codes)) => {
                if u64::from(first) + codes.len() as u64 >= u64::from(u32::MAX) {
                    return Err(D::Error::custom("a row of cells is too long"));
                }
                let columns = (first..).zip(codes);
                cells.extend(
                    columns.map(|(column, code)| (Cell { part, frame, row, column }, code)),
                );
            }
        }
    }
    Ok(Arc::new(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "super")] Arc<BTreeMap<Cell, u32>>);

    #[test]
    fn cells_come_back_from_runs_and_from_the_pairs_of_before() {
        let cell = |part: u16, frame: u16, row: u16, column: u32| Cell { part, frame, row, column };
        let cells = [
            (cell(0, 0, 1, 2), 7),
            (cell(0, 0, 1, 3), 9),
            (cell(0, 0, 1, 5), 4),
            (cell(0, 0, 2, 6), 4),
            (cell(0, 1, 2, 7), 1),
            (cell(3, 1, 2, 8), u32::MAX - 1),
        ];
        let cells: Arc<BTreeMap<Cell, u32>> = Arc::new(cells.into());
        let text = serde_json::to_string(&Text(Arc::clone(&cells))).unwrap();
        assert!(text.starts_with("[[0,0,1,2,[7,9]],[0,0,1,5,[4]],"), "{text}");
        assert_eq!(serde_json::from_str::<Text>(&text).unwrap().0, cells);
        let pairs: Vec<(Cell, u32)> = cells.iter().map(|(cell, code)| (*cell, *code)).collect();
        let before = serde_json::to_string(&pairs).unwrap();
        assert_eq!(serde_json::from_str::<Text>(&before).unwrap().0, cells);
        for wrong in ["[[0,0,0,4294967295,[1,2]]]", "[[0,0,70000,0,[1]]]", "[[1,2,3]]", "[7]"] {
            assert!(serde_json::from_str::<Text>(wrong).is_err(), "{wrong}");
        }
    }
}
