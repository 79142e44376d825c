//! How many tokens a masked generator has written after each step.

use std::sync::Arc;

use crate::{EngineError, Result};

/// How many tokens are there after each step of a masked generator, as a share: 1 - f(r) of what was masked, r
/// the share of steps that are done.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub enum Schedule {
    /// cos(pi r / 2): few tokens first, many at the end.
    #[default]
    Cosine,
    /// acos(r) / (pi / 2).
    Arccos,
    /// 1 - r: the same share in each step.
    Linear,
    /// 1 - r^2.
    Square,
    /// 1 - sqrt(r): many tokens first.
    Root,
    /// The same number of tokens in each step, apart by at most one: what linear comes to, counted in tokens.
    Constant,
    /// Any other.
    Curve(Curve),
}

impl Schedule {
    /// All that have a name, in the order of the docs.
    pub const ALL: [Self; 6] =
        [Self::Cosine, Self::Arccos, Self::Linear, Self::Square, Self::Root, Self::Constant];

    /// Its name; of a curve its points.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Cosine => "cosine",
            Self::Arccos => "arccos",
            Self::Linear => "linear",
            Self::Square => "square",
            Self::Root => "root",
            Self::Constant => "constant",
            Self::Curve(curve) => return curve.to_string(),
        };
        name.to_owned()
    }

    /// The schedule that a person names, or whose points are said as "0:1,0.5:0.8,1:0": the share of steps done, and
    /// the share of tokens that is masked then.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the names, or what is wrong with the points.
    pub fn parse(said: &str) -> Result<Self> {
        let said = said.trim();
        if let Some(known) = Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(said))
        {
            return Ok(known);
        }
        let names = Self::ALL.map(|one| one.name()).join(", ");
        let hint = format!("use one of {names}, or points such as 0:1,0.5:0.8,1:0");
        if !said.contains(':') {
            return Err(EngineError::bad_input("schedule", format!("{said:?} is none"), hint));
        }
        let point = |said: &str| {
            let (done, masked) = said.split_once(':')?;
            Some((done.trim().parse().ok()?, masked.trim().parse().ok()?))
        };
        let points = said.split(',').map(|said| {
            point(said).ok_or_else(|| {
                let reason = format!("{said:?} is no point");
                EngineError::bad_input("schedule", reason, hint.as_str())
            })
        });
        Ok(Self::Curve(Curve::new(points.collect::<Result<Vec<_>>>()?)?))
    }

    /// The share that is still masked when a share r of the steps is done; 1 at 0 and 0 at 1.
    pub fn masked(&self, r: f64) -> f64 {
        use std::f64::consts::FRAC_PI_2;
        match self {
            Self::Cosine => libm::cos(FRAC_PI_2 * r),
            Self::Arccos => libm::acos(r) / FRAC_PI_2,
            Self::Linear | Self::Constant => 1.0 - r,
            Self::Square => 1.0 - r * r,
            Self::Root => 1.0 - r.sqrt(),
            Self::Curve(curve) => curve.masked(r),
        }
    }

    /// How many of `count` masked cells each step writes, where nothing is taken back: as many steps as there are, but no
    /// more than cells.
    pub fn written(&self, count: usize, steps: u32) -> Vec<usize> {
        let steps = u32::try_from(count).unwrap_or(u32::MAX).min(steps);
        let mut masked = count;
        let step = |done| {
            let left = self.left(count, (done, steps), masked);
            let written = masked - left;
            masked = left;
            written
        };
        (1..=steps).map(step).collect()
    }

    /// How many of `count` cells that were masked at the beginning are masked after `done` of `steps` steps, where
    /// `masked` are so before the last of these. At least one is written in it, and one is left for each that
    /// comes; none after the last.
    pub(super) fn left(&self, count: usize, (done, steps): (u32, u32), masked: usize) -> usize {
        let coming = steps.saturating_sub(done) as usize;
        if coming == 0 {
            return 0;
        }
        let left = match self {
            // By whole numbers: shares of f64 may fall below one.
            Self::Constant => count * coming / steps.max(1) as usize,
            _ => (self.masked(f64::from(done) / f64::from(steps)) * count as f64).floor() as usize,
        };
        left.max(coming).min(masked.saturating_sub(1))
    }
}

/// A schedule by points, straight between them.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct Curve(Arc<[(f64, f64)]>);

impl Curve {
    /// From the share of steps done and the share of tokens masked then, at each point.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] unless it leads from (0, 1) to (1, 0), each point further right than the one before
    /// and lower: where it is flat nothing would be written.
    pub fn new(points: Vec<(f64, f64)>) -> Result<Self> {
        let bad = |reason: String| {
            let hint = "lead from 0:1 down to 1:0, as in 0:1,0.5:0.8,1:0";
            Err(EngineError::bad_input("schedule", reason, hint))
        };
        let is_number = |(done, masked): &(f64, f64)| done.is_finite() && masked.is_finite();
        if let Some((done, masked)) = points.iter().find(|point| !is_number(point)) {
            return bad(format!("{done}:{masked} is no point"));
        }
        if points.first() != Some(&(0.0, 1.0)) {
            return bad("it does not begin at 0:1, with everything masked".to_owned());
        }
        if points.last() != Some(&(1.0, 0.0)) {
            return bad("it does not end at 1:0, with nothing masked".to_owned());
        }
        for pair in points.windows(2) {
            let [(done, masked), (next_done, next)] = [pair[0], pair[1]];
            if next_done <= done {
                return bad(format!("{next_done} comes behind {done} and is not above it"));
            }
            if next >= masked {
                let reason = format!("between {done} and {next_done} it does not fall");
                return bad(format!("{reason}: nothing would be written"));
            }
        }
        Ok(Self(points.into()))
    }

    /// Its points: the share of steps done, and the share of tokens masked then.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.0
    }

    fn masked(&self, r: f64) -> f64 {
        let after = self.0.partition_point(|(done, _)| *done < r);
        let Some(&(done, masked)) = self.0.get(after) else { return 0.0 };
        let Some(&(before, more)) = after.checked_sub(1).and_then(|at| self.0.get(at)) else {
            return masked;
        };
        more + (masked - more) * (r - before) / (done - before)
    }
}

impl std::fmt::Display for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (done, masked)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{done}:{masked}")?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<(f64, f64)>> for Curve {
    type Error = EngineError;

    fn try_from(points: Vec<(f64, f64)>) -> Result<Self> {
        Self::new(points)
    }
}

impl From<Curve> for Vec<(f64, f64)> {
    fn from(curve: Curve) -> Self {
        curve.0.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_begin_with_everything_and_end_with_nothing() {
        let curve = Schedule::parse("0:1, 0.25:0.9, 0.5:0.2, 1:0").unwrap();
        for schedule in Schedule::ALL.into_iter().chain([curve]) {
            assert!((schedule.masked(0.0) - 1.0).abs() < 1e-12, "{schedule:?}");
            assert!(schedule.masked(1.0).abs() < 1e-12, "{schedule:?}");
            let values: Vec<f64> = (0..=20).map(|i| schedule.masked(f64::from(i) / 20.0)).collect();
            assert!(values.windows(2).all(|pair| pair[1] < pair[0]), "{schedule:?}");
        }
    }

    #[test]
    fn a_schedule_is_what_its_name_or_its_points_say() {
        for schedule in Schedule::ALL {
            assert_eq!(Schedule::parse(&schedule.name().to_uppercase()).unwrap(), schedule);
        }
        let curve = Schedule::parse("0:1,0.5:0.8,1:0").unwrap();
        assert_eq!(Schedule::parse(&curve.name()).unwrap(), curve);
        assert!((curve.masked(0.25) - 0.9).abs() < 1e-12);
        assert!((curve.masked(0.5) - 0.8).abs() < 1e-12);
        assert!((curve.masked(0.75) - 0.4).abs() < 1e-12);
        let text = serde_json::to_string(&curve).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), curve);
        assert!(serde_json::from_str::<Schedule>(r#"{"Curve":[[0.0,1.0],[1.0,0.5]]}"#).is_err());
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_what_is_wrong() {
        let cases = [
            ("slow", "cosine, arccos"),
            ("0:1,middle:0.5,1:0", "middle"),
            ("0:1,nan:0.5,1:0", "no point"),
            ("0:0.9,1:0", "begin at 0:1"),
            ("0:1,1:0.1", "end at 1:0"),
            ("0:1,0.5:1,1:0", "between 0 and 0.5"),
            ("0:1,0.3:0.2,0.5:0.4,1:0", "between 0.3 and 0.5"),
            ("0:1,0.5:0.5,0.5:0.4,1:0", "not above"),
            ("0:1", "end at 1:0"),
            ("", "cosine"),
        ];
        for (said, expected) in cases {
            let problem = Schedule::parse(said).unwrap_err().problem().to_string();
            assert!(problem.contains(expected), "{said:?}: {problem}");
        }
    }

    #[test]
    fn a_constant_schedule_writes_as_many_in_each_step_but_for_one() {
        for (count, steps) in [(16, 4), (256, 12), (10, 10), (100, 7)] {
            let written = Schedule::Constant.written(count, steps);
            let (least, most) = (written.iter().min().unwrap(), written.iter().max().unwrap());
            assert!(most - least <= 1, "{count} in {steps}: {written:?}");
            assert_eq!(written.iter().sum::<usize>(), count);
        }
    }

    #[test]
    fn each_step_writes_something_and_all_of_them_everything() {
        let curve = Schedule::parse("0:1,0.5:0.99,1:0").unwrap();
        for schedule in Schedule::ALL.into_iter().chain([curve]) {
            for (count, steps) in [(256, 12), (64, 64), (5, 12), (0, 3)] {
                let written = schedule.written(count, steps);
                assert_eq!(written.len(), count.min(steps as usize), "{schedule:?}");
                assert!(written.iter().all(|tokens| *tokens > 0), "{schedule:?}: {written:?}");
                assert_eq!(written.iter().sum::<usize>(), count, "{schedule:?}");
            }
        }
        // By hand: of ten cells in two steps cos(pi / 4) leaves seven.
        assert_eq!(Schedule::Cosine.written(10, 2), [3, 7]);
        assert_eq!(Schedule::Square.written(100, 2), [25, 75]);
    }
}
