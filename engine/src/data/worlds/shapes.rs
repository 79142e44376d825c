//! A pen that draws one object in its own coordinates: x right, y up, 1 is its height.

use super::canvas::Canvas;
use super::color::{Color, smooth, unit};
use super::light::Light;

/// Where and how an object is drawn.
#[derive(Debug)]
pub(super) struct Pen<'c> {
    pub canvas: &'c mut Canvas,
    pub light: &'c Light,
    /// Its foot (u, v) and its height.
    pub at: (f32, f32),
    pub size: f32,
    /// -1 mirrors it sideways.
    pub flip: f32,
    /// -1 turns it over, as water does.
    pub up: f32,
    pub alpha: f32,
    /// 0 near, 1 at the horizon.
    pub depth: f32,
}

impl Pen<'_> {
    /// A lit color at this object's distance.
    pub(super) fn tone(&self, albedo: Color, lit: f32) -> Color {
        self.light.vivid(albedo, lit, self.at.0, self.depth)
    }

    /// Where the light comes from in the object's own x: -1 left, 1 right.
    pub(super) fn side(&self) -> f32 {
        self.light.side * self.flip
    }

    /// A pixel's side in the object's own units.
    pub(super) fn step(&self) -> f32 {
        self.canvas.px / self.size
    }

    fn shape(
        &mut self,
        bounds: [f32; 4],
        distance: impl Fn(f32, f32) -> f32,
        paint: impl Fn(f32, f32) -> Color,
    ) {
        let (u0, v0) = self.at;
        let (sx, sy) = (self.size * self.flip, -self.size * self.up);
        let [x0, y0, x1, y1] = bounds;
        let (ua, ub) = (u0 + x0 * sx, u0 + x1 * sx);
        let (va, vb) = (v0 + y0 * sy, v0 + y1 * sy);
        let size = self.size;
        self.canvas.shape(
            [ua.min(ub), va.min(vb), ua.max(ub), va.max(vb)],
            self.alpha,
            |u, v| distance((u - u0) / sx, (v - v0) / sy) * size,
            |u, v| paint((u - u0) / sx, (v - v0) / sy),
        );
    }

    /// An ellipse of one color.
    pub(super) fn oval(&mut self, center: (f32, f32), radii: (f32, f32), color: Color) {
        self.painted_oval(center, radii, |_, _| color);
    }

    /// An ellipse whose color depends on the place: x and y in -1..1.
    pub(super) fn painted_oval(
        &mut self,
        center: (f32, f32),
        radii: (f32, f32),
        paint: impl Fn(f32, f32) -> Color,
    ) {
        let ((cx, cy), (rx, ry)) = (center, radii);
        self.shape(
            [cx - rx, cy - ry, cx + rx, cy + ry],
            |x, y| {
                let (a, b) = ((x - cx) / rx, (y - cy) / ry);
                ((a * a + b * b).sqrt() - 1.0) * rx.min(ry)
            },
            |x, y| paint((x - cx) / rx, (y - cy) / ry),
        );
    }

    /// An ellipse lit as a ball.
    pub(super) fn ball(&mut self, center: (f32, f32), radii: (f32, f32), albedo: Color) {
        let (side, light, u, depth) = (self.side(), self.light, self.at.0, self.depth);
        self.painted_oval(center, radii, |x, y| {
            light.vivid(albedo, unit(0.45 + 0.42 * x * side + 0.34 * y), u, depth)
        });
    }

    /// A stroke from a to b, `r` thick at each end (radius).
    pub(super) fn line(&mut self, a: (f32, f32), b: (f32, f32), r: (f32, f32), color: Color) {
        let ((ax, ay), (bx, by)) = (a, b);
        let (dx, dy) = (bx - ax, by - ay);
        let length2 = (dx * dx + dy * dy).max(1e-9);
        let wide = r.0.max(r.1);
        // A stroke thinner than a pixel is drawn a pixel thin and fainter.
        let least = 0.36 * self.step();
        let (r0, r1) = (r.0.max(least), r.1.max(least));
        let faint = (wide / least).clamp(0.25, 1.0);
        let alpha = self.alpha;
        self.alpha *= faint;
        self.shape(
            [ax.min(bx) - wide, ay.min(by) - wide, ax.max(bx) + wide, ay.max(by) + wide],
            |x, y| {
                let t = unit(((x - ax) * dx + (y - ay) * dy) / length2);
                let (ex, ey) = (x - ax - dx * t, y - ay - dy * t);
                (ex * ex + ey * ey).sqrt() - (r0 + (r1 - r0) * t)
            },
            |_, _| color,
        );
        self.alpha = alpha;
    }

    /// A polygon of one color.
    pub(super) fn poly(&mut self, points: &[(f32, f32)], color: Color) {
        self.painted_poly(points, |_, _| color);
    }

    /// A polygon whose color depends on the place in the object's own coordinates.
    pub(super) fn painted_poly(
        &mut self,
        points: &[(f32, f32)],
        paint: impl Fn(f32, f32) -> Color,
    ) {
        let (mut x0, mut y0, mut x1, mut y1) = (9.0_f32, 9.0_f32, -9.0_f32, -9.0_f32);
        for &(x, y) in points {
            (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y));
        }
        self.shape([x0, y0, x1, y1], |x, y| polygon(points, x, y), paint);
    }

    /// Light that shines by itself: added, never darker than what is there.
    pub(super) fn shine(&mut self, center: (f32, f32), radius: f32, color: Color, power: f32) {
        let (u0, v0) = self.at;
        let (cu, cv) = (u0 + center.0 * self.size * self.flip, v0 - center.1 * self.size * self.up);
        let r = radius * self.size;
        let power = power * self.alpha;
        for y in self.canvas.rows(cv - r, cv + r) {
            let v = self.canvas.v(y);
            for x in self.canvas.columns(cu - r, cu + r) {
                let u = self.canvas.u(x);
                let d2 = ((u - cu) * (u - cu) + (v - cv) * (v - cv)) / (r * r);
                if d2 < 1.0 {
                    let fall = (1.0 - d2) * (1.0 - d2) / (1.0 + 6.0 * d2);
                    let pixel = &mut self.canvas.pixels[y * self.canvas.width + x];
                    *pixel = pixel.screen(color * (fall * power));
                }
            }
        }
    }

    /// The shadow that an object of `half` width throws on the ground.
    pub(super) fn shadow(&mut self, half: f32, strength: f32) {
        let shift = -0.55 * self.side() * half;
        let (rx, ry) = (half * 1.5, half * 0.30);
        let dark = self.tone(super::color::hex(0x16202e), 0.0);
        let (u0, v0) = self.at;
        let (size, flip) = (self.size, self.flip);
        let place = |u: f32, v: f32| {
            let (x, y) = ((u - u0) / (size * flip) - shift, (v0 - v) / size);
            ((x / rx) * (x / rx) + (y / ry) * (y / ry)).min(1.0)
        };
        for y in self.canvas.rows(v0 - ry * size, v0 + ry * size) {
            let v = self.canvas.v(y);
            let reach = (rx + shift.abs()) * size;
            for x in self.canvas.columns(u0 - reach, u0 + reach) {
                let d = place(self.canvas.u(x), v);
                let cover = smooth(1.0, 0.15, d) * strength * self.alpha;
                self.canvas.blend(x, y, dark, cover);
            }
        }
    }
}

/// Signed distance to a polygon: negative inside.
fn polygon(points: &[(f32, f32)], x: f32, y: f32) -> f32 {
    let Some(&last) = points.last() else {
        return 1.0;
    };
    let (mut best, mut inside, mut previous) = (f32::MAX, false, last);
    for &(px, py) in points {
        let (qx, qy) = previous;
        let (ex, ey) = (qx - px, qy - py);
        let (wx, wy) = (x - px, y - py);
        let t = unit((wx * ex + wy * ey) / (ex * ex + ey * ey).max(1e-9));
        let (bx, by) = (wx - ex * t, wy - ey * t);
        best = best.min(bx * bx + by * by);
        if (py > y) != (qy > y) && x < px + ex * (y - py) / ey {
            inside = !inside;
        }
        previous = (px, py);
    }
    if inside { -best.sqrt() } else { best.sqrt() }
}
