// A camera around a scene: where it looks from, and the 24 numbers that kernels read of it.

const add = (a, b, by = 1) => a.map((x, k) => x + by * b[k]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => a.map((x) => x / Math.sqrt(dot(a, a)));
const held = (x, low, high) => Math.min(Math.max(x, low), high);

// Where the eye is, its axes, and how large a pixel is at the distance of what it looks at. `look` has degrees around and above, a distance by that at which the scene
// fills the picture, and how far the point that is looked at lies from the scene's centre, by its radius.
function standing(look, [width, height], lens) {
  const half = Math.tan((lens.fov * Math.PI) / 360);
  const narrow = Math.min(half, (half * width) / height);
  // The tenth that lies outside of the radius is mostly near it.
  const distance = (look.distance * 1.15 * lens.radius * Math.sqrt(1 + narrow * narrow)) / narrow;
  const [around, above] = [look.azimuth, look.elevation].map((x) => (x * Math.PI) / 180);
  const place = (v) => [0, 1, 2].map((k) => v[0] * lens.axes[0][k] + v[1] * lens.axes[1][k] + v[2] * lens.axes[2][k]);
  const back = place([Math.cos(above) * Math.sin(around), Math.sin(above), Math.cos(above) * Math.cos(around)]);
  const target = add(lens.center, look.target, lens.radius);
  const right = unit(cross(place([0, 1, 0]), back));
  return { eye: add(target, back, distance), right, up: cross(back, right), back, half, pixel: (2 * distance * half) / height };
}

// Rows 0, 1 and 3 of the product of lens and view, the depth, the eye, and within which limits of the picture's plane shapes change with places.
function cameraRows(look, size, lens) {
  const { eye, right, up, back, half } = standing(look, size, lens);
  const row = (axis, by) => [...axis, -dot(axis, eye)].map((x) => x * by);
  const across = size[1] / (size[0] * half);
  const depth = row(back, -1);
  const limit = lens.limit;
  return [...row(right, across), ...row(up, 1 / half), ...depth, ...depth, ...eye, 1, -limit, limit, -limit, limit];
}

// Degrees around and above for a drag of so many pixels.
function orbited(look, [x, y]) {
  const azimuth = (((look.azimuth - 0.4 * x) % 360) + 360) % 360;
  // Straight above, what is up on the screen is not known.
  return { ...look, azimuth, elevation: held(look.elevation + 0.4 * y, -89.9, 89.9) };
}

// What is dragged stays under the pointer.
function panned(look, [x, y], size, lens) {
  const { right, up, pixel } = standing(look, size, lens);
  const by = pixel / lens.radius;
  return { ...look, target: add(add(look.target, right, -x * by), up, y * by).map((t) => held(t, -20, 20)) };
}

const nearer = (look, notches) => ({ ...look, distance: held(look.distance * 0.9 ** notches, 0.02, 20) });

// The camera as a part of the page's address, and back; what is none is the first camera.
function addressOf(look) {
  const numbers = [look.azimuth, look.elevation, look.distance, ...look.target].map((x) => String(+x.toFixed(4)));
  return "#" + (look.target.some((x) => x !== 0) ? numbers : numbers.slice(0, 3)).join(",");
}

function lookOf(address, first) {
  const numbers = address.replace(/^#/, "").split(",").map(Number);
  if (!(numbers.length === 3 || numbers.length === 6) || !numbers.every(Number.isFinite)) return first;
  const [azimuth, elevation, distance, ...target] = numbers;
  const at = target.length ? target.map((t) => held(t, -20, 20)) : [0, 0, 0];
  return { azimuth, elevation: held(elevation, -89.9, 89.9), distance: held(distance, 0.02, 20), target: at };
}
