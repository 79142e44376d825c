//! Where pictures stand side by side: as many in a row as make them largest.

/// A way to place pictures: columns, rows, and the column and row of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) places: Vec<(usize, usize)>,
}

/// All ways that are not misleading. `groups` are the pictures by what they belong to: 1 alone, 2 with
/// the map of it. No map may come to stand under another tokenizer's picture as if it were its own.
pub(super) fn ways(groups: &[usize]) -> Vec<Way> {
    let count: usize = groups.iter().sum();
    let mut ways: Vec<Way> = (1..=count)
        .map(|columns| Way {
            columns,
            rows: count.div_ceil(columns),
            places: (0..count).map(|at| (at % columns, at / columns)).collect(),
        })
        .filter(|way| is_honest(groups, way))
        .collect();
    if groups.iter().filter(|group| **group > 1).count() > 1 {
        // Each picture above its own map.
        let of_group = |(column, group): (usize, &usize)| (0..*group).map(move |row| (column, row));
        let places = groups.iter().enumerate().flat_map(of_group).collect();
        ways.push(Way { columns: groups.len(), rows: 2, places });
    }
    ways
}

fn is_honest(groups: &[usize], way: &Way) -> bool {
    let count: usize = groups.iter().sum();
    let is_map: Vec<bool> = groups.iter().flat_map(|group| (0..*group).map(|at| at > 0)).collect();
    if way.columns == 1 || way.rows == 1 || count <= 3 || !is_map.contains(&true) {
        return true;
    }
    // Maps in columns of their own, each beside its picture.
    let column_of = |map: bool| {
        let of_kind = is_map.iter().zip(&way.places).filter(move |(is_map, _)| **is_map == map);
        of_kind.map(|(_, (column, _))| *column).collect::<std::collections::BTreeSet<_>>()
    };
    column_of(true).is_disjoint(&column_of(false))
        && way
            .places
            .windows(2)
            .zip(is_map.windows(2))
            .all(|(places, is_map)| !is_map[1] || places[0].1 == places[1].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(groups: &[usize]) -> Vec<(usize, usize)> {
        ways(groups).into_iter().map(|way| (way.columns, way.rows)).collect()
    }

    #[test]
    fn no_map_stands_under_another_tokenizers_picture() {
        // The original, and a tokenizer with its map: however it is largest.
        assert_eq!(columns(&[1, 2]), [(1, 3), (2, 2), (3, 1)]);
        // Of two tokenizers each stands above its map, or all in one row or column.
        assert_eq!(columns(&[1, 2, 2]), [(1, 5), (5, 1), (3, 2)]);
        assert_eq!(columns(&[1, 2, 2, 2]), [(1, 7), (7, 1), (4, 2)]);
        let stacked = ways(&[1, 2, 2]).pop().unwrap();
        assert_eq!(stacked.places, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]);
        // A pair with its maps: also each beside its map.
        assert_eq!(columns(&[2, 2]), [(1, 4), (2, 2), (4, 1), (2, 2)]);
    }

    #[test]
    fn without_maps_any_number_of_columns_will_do() {
        assert_eq!(columns(&[1, 1, 1, 1]), [(1, 4), (2, 2), (3, 2), (4, 1)]);
    }
}
