//! An arrangement where there is little room: parts that would be too small become tabs of the largest one.

use egui::Vec2;

use super::arrangement::Panel;

impl<V: Copy + PartialEq> Panel<V> {
    /// The same views in a place of this size, in points, where no part is narrower or lower than `least`.
    #[must_use]
    pub fn fitted(&self, size: Vec2, least: f32) -> Self {
        let (parts, is_row) = match self {
            Self::Tabs { .. } => return self.clone(),
            Self::Row(parts) => (parts, true),
            Self::Column(parts) => (parts, false),
        };
        let total: f32 = parts.iter().map(|(share, _)| share).sum();
        let length = if is_row { size.x } else { size.y };
        let mut parts: Vec<(f32, Self)> =
            parts.iter().map(|(share, part)| (share / total, part.clone())).collect();
        while parts.len() > 1 {
            let (mut smallest, mut largest) = (0, 0);
            for (at, (share, _)) in parts.iter().enumerate() {
                if *share < parts[smallest].0 {
                    smallest = at;
                }
                if *share > parts[largest].0 {
                    largest = at;
                }
            }
            if smallest == largest {
                // All are alike: the first one stays.
                smallest = parts.len() - 1;
            }
            if parts[smallest].0 * length >= least {
                break;
            }
            let (share, small) = parts.remove(smallest);
            let at = largest - usize::from(largest > smallest);
            let (larger, part) = &mut parts[at];
            *larger += share;
            part.take(small.views());
        }
        let fitted = |(share, part): &(f32, Self)| {
            let length = share * length;
            let size = if is_row { Vec2::new(length, size.y) } else { Vec2::new(size.x, length) };
            (*share, part.fitted(size, least))
        };
        match &parts[..] {
            [(_, only)] => only.fitted(size, least),
            _ if is_row => Self::Row(parts.iter().map(fitted).collect()),
            _ => Self::Column(parts.iter().map(fitted).collect()),
        }
    }

    /// The view that is largest.
    pub fn hero(&self) -> Option<V> {
        match self {
            Self::Tabs { views, front } => front.or(views.first().copied()),
            Self::Row(parts) | Self::Column(parts) => largest(parts)?.hero(),
        }
    }

    /// All views, from left to right and from top to bottom.
    pub fn views(&self) -> Vec<V> {
        match self {
            Self::Tabs { views, .. } => views.clone(),
            Self::Row(parts) | Self::Column(parts) => {
                parts.iter().flat_map(|(_, part)| part.views()).collect()
            }
        }
    }

    /// What is beside and behind what, without shares and without what is in front.
    #[must_use]
    pub fn shape(&self) -> Self {
        let shapes = |parts: &[(f32, Self)]| {
            parts.iter().map(|(_, part)| (1.0, part.shape())).collect::<Vec<_>>()
        };
        match self {
            Self::Tabs { views, .. } => Self::Tabs { views: views.clone(), front: None },
            Self::Row(parts) => Self::Row(shapes(parts)),
            Self::Column(parts) => Self::Column(shapes(parts)),
        }
    }

    /// Views become tabs of the largest part, behind those that are there.
    fn take(&mut self, more: Vec<V>) {
        match self {
            Self::Tabs { views, front } => {
                *front = front.or(views.first().copied());
                views.extend(more);
            }
            Self::Row(parts) | Self::Column(parts) => {
                let shares = parts.iter().map(|(share, _)| *share);
                let most = shares.fold(f32::NEG_INFINITY, f32::max);
                if let Some((_, part)) = parts.iter_mut().find(|(share, _)| *share >= most) {
                    part.take(more);
                }
            }
        }
    }
}

/// The part with the largest share; of equals the first.
fn largest<V>(parts: &[(f32, Panel<V>)]) -> Option<&Panel<V>> {
    let most = parts.iter().map(|(share, _)| *share).fold(f32::NEG_INFINITY, f32::max);
    parts.iter().find(|(share, _)| *share >= most).map(|(_, part)| part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ViewId;

    fn tabs(views: &[ViewId]) -> Panel {
        Panel::Tabs { views: views.to_vec(), front: None }
    }

    #[test]
    fn what_has_no_room_becomes_a_tab_of_the_largest_and_nothing_is_lost() {
        let whole = Panel::Row(vec![
            (0.2, tabs(&[ViewId::Dataset])),
            (
                0.6,
                Panel::Column(vec![
                    (0.7, tabs(&[ViewId::Tokens, ViewId::Compare])),
                    (0.3, tabs(&[ViewId::Codebook, ViewId::Log])),
                ]),
            ),
            (0.2, tabs(&[ViewId::Code])),
        ]);
        assert_eq!(whole.fitted(Vec2::new(1280.0, 740.0), 150.0).shape(), whole.shape());
        assert_eq!(whole.hero(), Some(ViewId::Tokens));
        let narrow = whole.fitted(Vec2::new(700.0, 740.0), 150.0);
        let Panel::Column(parts) = &narrow else { panic!("{narrow:?}") };
        assert_eq!(parts[1].1, tabs(&[ViewId::Codebook, ViewId::Log]));
        for size in [(700.0, 740.0), (1280.0, 300.0), (640.0, 360.0), (10.0, 10.0)] {
            let fitted = whole.fitted(size.into(), 150.0);
            let (mut all, mut found) = (whole.views(), fitted.views());
            all.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, all, "{size:?}");
            assert_eq!(fitted.hero(), Some(ViewId::Tokens), "{size:?}: {fitted:?}");
        }
        let small = whole.fitted(Vec2::new(640.0, 360.0), 150.0);
        assert!(matches!(&small, Panel::Tabs { views, .. } if views.len() == 6), "{small:?}");
        // Whoever set two views alike beside each other has the first one in front.
        let halves = Panel::Row(vec![(1.0, tabs(&[ViewId::Log])), (1.0, tabs(&[ViewId::Jobs]))]);
        assert_eq!(halves.fitted(Vec2::new(200.0, 300.0), 150.0).hero(), Some(ViewId::Log));
    }
}
