// One quad that shows up to millions of cells: the cost does not depend on their number.
// Values, codes and marks are textures that are read texel by texel, so that no storage buffer is
// needed (OpenGL and WebGL2 have none).

struct Look {
    origin: vec2f,      // cell coordinates at the quad's top left
    scale: vec2f,       // pixels a cell
    corner: vec2f,      // the quad's top left in pixels of the screen
    range: vec2f,       // value of the lowest and the highest color
    grid: vec2u,        // columns, rows
    extent: vec2u,      // width of the textures, number of cells
    flags: vec2u,       // 1 logarithmic, 2 appearance, 4 gaps between cells; patches a row
    side: vec2f,        // pixels of a patch, unused
    background: vec4f,
    mark: vec4f,
};

@group(0) @binding(0) var<uniform> look: Look;
@group(0) @binding(1) var values: texture_2d<f32>;
@group(0) @binding(2) var marks: texture_2d<u32>;
@group(0) @binding(3) var codes: texture_2d<u32>;
@group(0) @binding(4) var colors: texture_2d<f32>;
@group(0) @binding(5) var atlas: texture_2d<f32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    let x = f32(index & 1u) * 4.0 - 1.0;
    let y = f32(index >> 1u) * 4.0 - 1.0;
    return vec4f(x, y, 0.0, 1.0);
}

fn texel(index: u32) -> vec2i {
    return vec2i(i32(index % look.extent.x), i32(index / look.extent.x));
}

// The mean over the cells that one pixel covers, so that fine stripes do not flicker away.
fn value_at(cell: vec2f) -> f32 {
    let steps = clamp(vec2i(ceil(vec2f(1.0) / look.scale)), vec2i(1), vec2i(8));
    let reach = vec2f(1.0) / look.scale;
    var sum = 0.0;
    var count = 0.0;
    for (var y = 0; y < steps.y; y++) {
        for (var x = 0; x < steps.x; x++) {
            let part = (vec2f(f32(x), f32(y)) + 0.5) / vec2f(steps) - 0.5;
            let at = cell + select(vec2f(0.0), part * reach, steps > vec2i(1));
            let inside = all(at >= vec2f(0.0)) && all(at < vec2f(look.grid));
            let index = u32(max(at.y, 0.0)) * look.grid.x + u32(max(at.x, 0.0));
            if (inside && index < look.extent.y) {
                sum += textureLoad(values, texel(index), 0).r;
                count += 1.0;
            }
        }
    }
    return sum / max(count, 1.0);
}

@fragment
fn fs_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let cell = look.origin + (position.xy - look.corner) / look.scale;
    if (any(cell < vec2f(0.0)) || any(cell >= vec2f(look.grid))) {
        return look.background;
    }
    let index = u32(cell.y) * look.grid.x + u32(cell.x);
    if (index >= look.extent.y) {
        return look.background;
    }
    let inside = fract(cell);
    let from_edge = min(inside, vec2f(1.0) - inside) * look.scale;
    let edge = min(from_edge.x, from_edge.y);
    var color: vec3f;
    if ((look.flags.x & 2u) != 0u) {
        let code = textureLoad(codes, texel(index), 0).r;
        let patch_corner = vec2f(f32(code % look.flags.y), f32(code / look.flags.y)) * look.side.x;
        let at = patch_corner + min(inside * look.side.x, vec2f(look.side.x - 1.0));
        color = textureLoad(atlas, vec2i(at), 0).rgb;
        if (textureLoad(values, texel(index), 0).r <= 0.0) {
            // Not used: dim, so that the codes that are stand out.
            color = mix(color, look.background.rgb, 0.75);
        }
    } else {
        var value = value_at(cell);
        var low = look.range.x;
        var high = look.range.y;
        if ((look.flags.x & 1u) != 0u) {
            value = log(1.0 + max(value, 0.0));
            low = log(1.0 + max(low, 0.0));
            high = log(1.0 + max(high, 0.0));
        }
        let place = clamp((value - low) / max(high - low, 1e-9), 0.0, 1.0);
        color = textureLoad(colors, vec2i(i32(place * 255.0 + 0.5), 0), 0).rgb;
    }
    let smallest = min(look.scale.x, look.scale.y);
    if ((look.flags.x & 4u) != 0u && smallest >= 7.0) {
        let line = inside * look.scale;
        if (line.x < 1.0 || line.y < 1.0) {
            color = look.background.rgb;
        }
    }
    let state = textureLoad(marks, texel(index), 0).r;
    if ((state & 2u) != 0u) {
        // Switched off: struck out and dimmed, not hidden.
        color = mix(color, look.background.rgb, 0.6);
        let across = abs((inside.x - inside.y) * smallest);
        if (across < max(1.0, smallest * 0.08)) {
            color = look.mark.rgb;
        }
    }
    if ((state & 1u) != 0u && edge < clamp(smallest * 0.14, 1.5, 2.5)) {
        color = look.mark.rgb;
    }
    return vec4f(color, 1.0);
}
