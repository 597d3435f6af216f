"""The drawings of the chapters in docs/ and of ARCHITECTURE.md.

    python docs/drawings.py          rewrites every drawing beside this file

Nothing but the standard library is needed. Each drawing lies on a white ground, so that it reads the same in a dark page.
"""

import pathlib
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent

INK, SOFT, RULE = "#1f2328", "#57606a", "#8c959f"
BLUE, ORANGE, GREEN, PURPLE = "#0068b0", "#b84a00", "#00704f", "#8e3a78"
PALE = {BLUE: "#e3f0fa", ORANGE: "#fdeee2", GREEN: "#e0f3ec", PURPLE: "#f6e9f2", RULE: "#f3f5f7"}
FONT = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif'
CODE = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'


class Drawing:
    """Shapes one after another, written as SVG."""

    def __init__(self, name, width, height, label):
        self.name = name
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(label)}">'
        marks = "".join(
            f'<marker id="head-{color[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{color}"/></marker>'
            for color in (SOFT, BLUE, ORANGE, GREEN, PURPLE)
        )
        style = f"<style>text {{ font: 12px {FONT}; fill: {INK} }} .code {{ font-family: {CODE} }}</style>"
        self.lines = [head, style, f"<defs>{marks}</defs>", f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>']

    def add(self, line):
        self.lines.append(line)

    def box(self, x, y, width, height, color=RULE, fill=None, stroke=1.0, dash="", rx=4):
        fill = PALE.get(color, "none") if fill is None else fill
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{rx}" fill="{fill}" stroke="{color}" stroke-width="{stroke}"{dash}/>'
        )

    def text(self, x, y, words, size=12, color=INK, anchor="start", bold=False, code=False):
        weight = ";font-weight:600" if bold else ""
        kind = ' class="code"' if code else ""
        style = f"font-size:{size}px;fill:{color}{weight}"
        self.add(f'<text{kind} x="{x:g}" y="{y:g}" text-anchor="{anchor}" style="{style}">{escape(words)}</text>')

    def rows(self, x, y, lines, size=12, color=INK, anchor="start", step=None, code=False):
        for i, words in enumerate(lines):
            self.text(x, y + i * (step or size + 4), words, size, color, anchor, code=code)

    def line(self, points, color=SOFT, width=1.2, arrow=False, dash=""):
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        head = f' marker-end="url(#head-{color[1:]})"' if arrow else ""
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"{head}{dash}/>')

    def curve(self, path, color=SOFT, width=1.2, arrow=False, dash=""):
        head = f' marker-end="url(#head-{color[1:]})"' if arrow else ""
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}"{head}{dash}/>')

    def polygon(self, points, color, fill, opacity=1.0):
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.add(f'<polygon points="{path}" fill="{fill}" fill-opacity="{opacity}" stroke="{color}" stroke-width="1.2"/>')

    def dot(self, x, y, radius, fill, stroke="none"):
        self.add(f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="{fill}" stroke="{stroke}"/>')

    def save(self):
        (HERE / self.name).write_text("\n".join([*self.lines, "</svg>"]) + "\n", encoding="utf-8")


def house():
    """The nine crates as rooms, and the doors from `monotile` down to `kernels`."""
    d = Drawing("house.svg", 990, 592, "The nine crates as rooms of a house; arrows point down only")
    d.box(20, 16, 730, 56, PURPLE)
    d.text(36, 40, "crates/cli", 14, bold=True)
    d.text(36, 60, "the `monotile` command: a subcommand a file", 12, SOFT)
    d.box(770, 16, 200, 56, PURPLE)
    d.text(786, 40, "crates/web", 14, bold=True)
    d.text(786, 60, "splats in a page, as wasm", 12, SOFT)
    d.line([(970, 44), (981, 44), (981, 535), (972, 535)], SOFT, 1.4, True)
    d.box(20, 104, 380, 58, ORANGE)
    d.text(36, 128, "crates/scene", 14, bold=True)
    d.text(36, 148, "glTF, animation, cameras, renderers", 12, SOFT)
    d.box(20, 190, 380, 58, ORANGE)
    d.text(36, 214, "crates/radiance", 14, bold=True)
    d.text(36, 234, "splats, triangles and fields with gradients; captures, files", 12, SOFT)
    d.box(420, 104, 440, 58, ORANGE)
    d.text(436, 128, "crates/llama", 14, bold=True)
    d.text(436, 148, "tokenizer, transformer, generation, training", 12, SOFT)
    d.box(420, 190, 550, 58, ORANGE)
    d.text(436, 214, "crates/adapters", 14, bold=True)
    d.text(436, 234, "checkpoints, adapters of any of them: extract, merge, ...", 12, SOFT)
    d.box(20, 280, 780, 182, BLUE)
    d.text(36, 304, "crates/monotile", 14, bold=True)
    d.text(784, 304, "checks, records, gradients: no unsafe code", 12, SOFT, "end")
    rooms = [
        ("tensor", "handle, layout, files"),
        ("tape", "record, walk backward"),
        ("ops", "an operation a file"),
        ("einsum", "equation, order, plan"),
        ("attention", "masks, positions"),
        ("linalg", "factorizations"),
        ("stats", "regression, filters"),
        ("transform", "cameras, quaternions"),
    ]
    for i, (name, words) in enumerate(rooms):
        x, y = 36 + 188 * (i % 4), 318 + 46 * (i // 4)
        d.box(x, y, 176, 38, BLUE, "#ffffff")
        d.text(x + 10, y + 16, name, 12, bold=True)
        d.text(x + 10, y + 31, words, 11, SOFT)
    doors = ["map", "reduce", "rowwise", "gather", "copy", "sort", "contract", "distance", "attention", "factor", "transform", "update"]
    d.text(36, 429, "door", 12, bold=True)
    d.text(36, 444, "12 files", 11, SOFT)
    for i, name in enumerate(doors):
        x = 92 + 57.8 * i
        d.box(round(x, 1), 418, 55, 30, GREEN, "#ffffff", 1.4)
        d.text(round(x + 27.5, 1), 437, name, 10, GREEN, "middle")
        d.line([(x + 27.5, 448), (x + 27.5, 492)], GREEN, 1.4, True)
    d.box(820, 280, 150, 182, GREEN)
    d.text(836, 304, "crates/gpu", 14, bold=True)
    d.rows(836, 328, ["kernels in WGSL,", "memory, one stream", "of commands;", "knows no Tensor"], 12, SOFT)
    d.text(836, 448, "by the feature gpu", 11, SOFT)
    d.line([(800, 433), (818, 433)], GREEN, 1.4, True)
    d.line([(895, 462), (895, 492)], SOFT, 1.4, True)
    d.box(20, 494, 950, 82, GREEN)
    d.text(36, 518, "crates/kernels", 14, bold=True)
    d.text(954, 518, "the only unsafe code; knows no Tensor", 12, SOFT, "end")
    d.text(36, 539, "elementwise · reduce · scan · sort · product · distance · attention · factor · transform: loops over strides", 12, SOFT)
    d.text(36, 559, "simd · threads · buffer · number: vector registers, a team of threads, memory, formulas", 12, SOFT)
    d.line([(410, 72), (410, 278)], SOFT, 1.4, True)
    for x in (210, 570):
        d.line([(x, 72), (x, 102)], SOFT, 1.4, True)
    d.line([(730, 72), (730, 88), (915, 88), (915, 188)], SOFT, 1.4, True)
    for x in (210, 570):
        d.line([(x, 162), (x, 188)], SOFT, 1.4, True)
    for x in (210, 610):
        d.line([(x, 248), (x, 278)], SOFT, 1.4, True)
    d.save()


def tape():
    """Five nodes, what each keeps, and the cotangents on their way back."""
    d = Drawing("tape.svg", 820, 330, "A tape of five nodes, values forward and cotangents backward")
    d.text(24, 30, "loss = Σ (tanh(x W) + x), W frozen", 14, bold=True)
    nodes = [
        (24, "0  leaf", "x", "no rule"),
        (186, "1  einsum", "h = x W", "keeps W"),
        (348, "2  tanh", "y = tanh h", "keeps y"),
        (510, "3  add", "z = y + x", "keeps nothing"),
        (672, "4  sum", "loss = Σ z", "keeps nothing"),
    ]
    for x, name, formula, kept in nodes:
        d.box(x, 120, 124, 74, BLUE)
        d.text(x + 10, 139, name, 12, BLUE, bold=True)
        d.text(x + 10, 160, formula, 13)
        d.text(x + 10, 182, kept, 11, ORANGE if kept.startswith("keeps ") and "nothing" not in kept else SOFT)
    for x in (148, 310, 472, 634):
        d.line([(x, 146), (x + 37, 146)], BLUE, 1.5, True)
    d.curve("M86 120 C 86 26, 572 26, 572 118", BLUE, 1.5, True)
    d.text(396, 46, "x is used twice", 12, SOFT, "middle")
    d.box(196, 76, 104, 24, RULE, dash="4 3")
    d.text(248, 92, "W: off the tape", 11, SOFT, "middle")
    d.line([(248, 100), (248, 119)], RULE, 1.2, False, "4 3")
    for x in (148, 310, 472, 634):
        d.line([(x + 38, 176), (x + 2, 176)], ORANGE, 1.5, True)
    for x, words in ((167, "h̄ Wᵀ"), (329, "ȳ (1 − y²)"), (491, "z̄"), (653, "l̄ = 1")):
        d.text(x, 213, words, 12, ORANGE, "middle")
    d.curve("M572 194 C 572 272, 86 272, 86 196", ORANGE, 1.5, True)
    d.text(330, 270, "x̄ = h̄ Wᵀ + z̄: cotangents that meet are added", 12, ORANGE, "middle")
    d.line([(24, 298), (60, 298)], BLUE, 1.5, True)
    d.text(68, 302, "recorded forward, ids grow", 12, SOFT)
    d.line([(330, 298), (294, 298)], ORANGE, 1.5, True)
    d.text(338, 302, "walked backward, largest id first: all consumers of a node come before it", 12, SOFT)
    d.save()


def einsum():
    """A chain of four matrices: its tree, and the last pair as a product over groups."""
    d = Drawing("einsum.svg", 820, 390, "The order of a chain of four matrices as a tree, and one pair as a matrix product")
    d.text(24, 30, "ij,jk,kl,lm->im", 14, bold=True, code=True)
    d.text(24, 52, "i = k = m = 512, j = l = 8", 12, SOFT)
    leaves = [(50, "A", "ij", "512 × 8"), (150, "B", "jk", "8 × 512"), (250, "C", "kl", "512 × 8"), (350, "D", "lm", "8 × 512")]
    for x, name, labels, shape in leaves:
        d.box(x - 38, 290, 76, 50, RULE)
        d.text(x, 309, f"{name}: {labels}", 12, anchor="middle", bold=True)
        d.text(x, 328, shape, 11, SOFT, "middle")
    inner = [(200, 226, "jl", "8 × 8", "65,536"), (125, 156, "il", "512 × 8", "65,536"), (237, 90, "im", "512 × 512", "4,194,304")]
    for x, y, labels, shape, cost in inner:
        d.box(x - 68, y - 22, 136, 40, BLUE)
        d.text(x, y - 6, f"{labels}: {shape}", 12, anchor="middle", bold=True)
        d.text(x, y + 10, f"{cost} operations", 10.5, BLUE, "middle")
    d.line([(150, 290), (186, 246)], SOFT, 1.3, True)
    d.line([(250, 290), (214, 246)], SOFT, 1.3, True)
    d.line([(50, 290), (112, 176)], SOFT, 1.3, True)
    d.line([(196, 204), (144, 176)], SOFT, 1.3, True)
    d.line([(136, 134), (210, 110)], SOFT, 1.3, True)
    d.line([(350, 290), (258, 110)], SOFT, 1.3, True)
    d.text(24, 372, "4,325,376 operations; from left to right 12,582,912", 12, SOFT)
    d.line([(424, 20), (424, 370)], "#d5dae0", 1)
    d.text(448, 30, "one pair:", 14, bold=True)
    d.text(522, 30, "bqhd,bkhd->bhqk", 14, code=True)
    d.text(448, 52, "each label goes to a group by where it occurs", 12, SOFT)
    table = [
        ("group", "labels", "in A", "in B", "in C"),
        ("batch β", "b, h", "yes", "yes", "yes"),
        ("rows μ", "q", "yes", "—", "yes"),
        ("columns ν", "k", "—", "yes", "yes"),
        ("contracted κ", "d", "yes", "yes", "—"),
    ]
    for row, cells in enumerate(table):
        y = 82 + 24 * row
        for x, words in zip((448, 560, 640, 700, 760), cells):
            d.text(x, y, words, 12, SOFT if row == 0 else INK, bold=row == 0)
        if row == 0:
            d.line([(448, y + 7), (800, y + 7)], "#d5dae0", 1)
    d.box(448, 206, 350, 62, GREEN)
    d.text(623, 230, "C[β, μ, ν] = Σκ A[β, μ, κ] · B[β, κ, ν]", 14, anchor="middle", bold=True)
    d.text(623, 253, "one call: a stride for each dimension and operand", 11, SOFT, "middle")
    d.rows(
        448,
        296,
        [
            "A label in one operand alone is summed before, unless",
            "the result has it. A label that occurs twice in a term",
            "becomes a diagonal: a view. Nothing is transposed in",
            "memory: packing reads operands through their strides.",
        ],
        12,
        SOFT,
        step=19,
    )
    d.save()


def product():
    """The blocks of a product and the level of memory that holds each."""
    d = Drawing("product.svg", 820, 430, "Blocks of the matrix product and the cache that holds each")
    # B above C, A left of C.
    d.text(24, 30, "C[μ, ν] = Σκ A[μ, κ] · B[κ, ν]", 14, bold=True)
    ax, ay, cx, by = 60, 210, 210, 70
    d.box(cx, by, 260, 110, RULE)
    d.box(ax, ay, 120, 180, RULE)
    d.box(cx, ay, 260, 180, RULE)
    d.text(cx + 8, by - 8, "B  κ × ν", 12, SOFT)
    d.text(ax, ay - 8, "A  μ × κ", 12, SOFT)
    d.text(cx + 260, ay + 196, "C  μ × ν", 12, SOFT, "end")
    # A slab over `depth` contracted indices.
    d.box(cx, by + 36, 260, 44, GREEN, stroke=1.2)
    d.box(ax + 40, ay, 48, 180, GREEN, stroke=1.2)
    d.text(cx + 252, by + 62, "slab of B", 11, GREEN, "end")
    d.text(ax + 64, ay + 172, "slab", 11, GREEN, "middle")
    # The block of B, the panels and the tile.
    d.box(cx + 40, by + 36, 100, 44, BLUE, "#cfe4f5", 1.4)
    d.text(cx + 110, by + 62, "block", 11, BLUE, "middle")
    d.box(cx + 60, by + 36, 22, 44, ORANGE, "#f7cfae", 1.4)
    d.box(ax + 40, ay + 60, 48, 16, ORANGE, "#f7cfae", 1.4)
    d.box(cx + 60, ay + 60, 22, 16, PURPLE, "#dcb3cf", 1.4)
    d.line([(ax + 88, ay + 68), (cx + 58, ay + 68)], ORANGE, 1.2, True, "3 3")
    d.line([(cx + 71, by + 80), (cx + 71, ay + 58)], ORANGE, 1.2, True, "3 3")
    d.text(cx + 90, ay + 73, "tile of sums", 11, PURPLE)
    x = 492
    legend = [
        (PURPLE, "#dcb3cf", "tile: registers", ["14 rows by 2 registers of 32 (AVX-512);", "6 rows by 2 where there are 16"]),
        (ORANGE, "#f7cfae", "panels: first-level cache", ["a packed panel of B, 64 KiB at most, passes", "once a tile, beside the tile's panel of A"]),
        (BLUE, "#cfe4f5", "block of B: second-level cache", ["448 KiB of packed columns stay there", "while rows of A pass"]),
        (GREEN, PALE[GREEN], "slabs: third-level cache", ["packed by all threads together, at most", "4096 rows of A and columns of B"]),
    ]
    y = 64
    for color, fill, name, lines in legend:
        d.box(x, y, 18, 18, color, fill, 1.4)
        d.text(x + 28, y + 14, name, 12.5, bold=True)
        d.rows(x + 28, y + 32, lines, 11.5, SOFT)
        y += 76
    d.text(x, 384, "Packing copies in the order of reading:", 11.5, SOFT)
    d.text(x, 402, "P[κ · width + lane], whatever the strides are.", 11.5, SOFT)
    d.save()


def factorizations():
    """Four ways, by size and shape."""
    d = Drawing("factorizations.svg", 820, 356, "Four ways to factor a matrix, by size and shape")
    titles = [
        (20, "many, small", ["up to 32 × 32, at least", "32 matrices"], BLUE),
        (220, "one, in the caches", ["QR up to 1 MiB, LU and", "Cholesky up to order 128"], GREEN),
        (420, "one, large", ["what the caches do", "not hold"], ORANGE),
        (620, "one, tall", ["up to 64 columns"], PURPLE),
    ]
    for x, name, lines, color in titles:
        d.box(x, 14, 180, 328, color, "#ffffff", 1.2)
        d.text(x + 14, 38, name, 14, color, bold=True)
        d.rows(x + 14, 57, lines, 11.5, SOFT)
    # Lanes: the same element of four matrices in one register.
    for k in range(4):
        x, y = 44 + 14 * k, 154 - 14 * k
        d.box(x, y, 60, 60, BLUE, "#ffffff")
        d.box(x, y, 15, 15, BLUE, "#9cc9ea")
    d.line([(112, 218), (112, 232)], BLUE, 1.3, True)
    for k in range(4):
        d.box(52 + 30 * k, 234, 28, 22, BLUE, "#9cc9ea")
        d.text(66 + 30 * k, 249, f"a{'₀₁₂₃'[k]}", 11, anchor="middle")
    d.rows(34, 284, ["a lane is a matrix; all lanes", "take the same steps, with", "masks (lanes)"], 11.5, SOFT)
    # Panels of a register's columns.
    d.box(250, 96, 120, 130, GREEN, "#ffffff")
    d.box(250, 96, 30, 130, GREEN, "#d5efe4")
    d.box(280, 126, 30, 100, GREEN, "#7fcdb0", 1.4)
    d.line([(296, 176), (364, 176)], GREEN, 1.3, True)
    d.text(338, 168, "reflect", 11, GREEN, "middle")
    d.rows(234, 252, ["a panel of a register's", "columns, then the rest with", "sums in registers", "(house, crout, substitute)"], 11.5, SOFT)
    # Halves and the product.
    d.box(450, 96, 120, 130, ORANGE, "#ffffff")
    d.polygon([(450, 96), (508, 158), (450, 158)], ORANGE, "#fbdcc4")
    d.box(450, 158, 58, 68, ORANGE, "#fbdcc4")
    d.box(508, 158, 62, 68, ORANGE, "#f0a66f", 1.4)
    d.text(470, 148, "L₁₁", 11.5, anchor="middle")
    d.text(479, 196, "L₂₁", 11.5, anchor="middle")
    d.text(539, 188, "A₂₂ −", 11, anchor="middle")
    d.text(539, 204, "L₂₁ L₂₁ᵀ", 11, anchor="middle")
    d.rows(434, 252, ["by halves; what is left is", "changed by the library's", "own product (cholesky, lu;", "qr by blocks of 64 columns)"], 11.5, SOFT)
    # The tree of slabs.
    for k in range(4):
        y = 92 + 36 * k
        d.box(640, y, 26, 32, PURPLE, "#f6e9f2")
        d.polygon([(684, y + 4), (708, y + 4), (708, y + 28)], PURPLE, "#dcb3cf")
        d.line([(667, y + 16), (681, y + 16)], PURPLE, 1.2, True)
        d.line([(709, y + 16), (734, 158)], PURPLE, 1.2)
    d.polygon([(738, 146), (766, 146), (766, 174)], PURPLE, "#c583b0")
    d.text(752, 192, "R", 12, anchor="middle")
    d.rows(634, 252, ["slabs of rows, then their", "R's; Q comes down the", "tree; least squares needs", "no Q (tall)"], 11.5, SOFT)
    d.save()


def rasterizer():
    """Two triangles that share an edge, by their edge functions, on four samples a pixel."""
    d = Drawing("rasterizer.svg", 820, 420, "Two triangles that share an edge and the samples that each covers")
    steps = [
        ("vertices", "move, project"),
        ("triangles", "edge functions in f64"),
        ("bins", "a list a tile"),
        ("cover", "nearest at each sample"),
        ("shade", "each triangle of a pixel once"),
        ("behind, encode", "sky, shadow, sRGB"),
    ]
    x = 16
    for i, (name, words) in enumerate(steps):
        width = (104, 140, 88, 148, 178, 122)[i]
        d.box(x, 14, width, 44, BLUE if i < 3 else ORANGE)
        d.text(x + width / 2, 32, name, 12, anchor="middle", bold=True)
        d.text(x + width / 2, 49, words, 10.5, SOFT, "middle")
        x += width + 1.6
    d.text(16, 78, "all triangles of the picture", 11, BLUE)
    d.text(352, 78, "a tile of 32 × 32 pixels at a time, bands of tiles over threads", 11, ORANGE)
    left, top, side = 24, 96, 48
    columns, rows = 9, 6
    for i in range(columns + 1):
        d.line([(left + side * i, top), (left + side * i, top + side * rows)], "#d5dae0", 1)
    for j in range(rows + 1):
        d.line([(left, top + side * j), (left + side * columns, top + side * j)], "#d5dae0", 1)
    samples = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)]
    p, q, r, s = (0.6, 0.4), (8.5, 1.3), (2.1, 5.6), (8.2, 5.2)
    place = lambda v: (left + side * v[0], top + side * v[1])
    d.polygon([place(p), place(q), place(r)], BLUE, "#9cc9ea", 0.35)
    d.polygon([place(q), place(s), place(r)], ORANGE, "#f7cfae", 0.45)

    def inside(corners, at):
        """Whether every edge function is positive, the triangle turned so that it is inside."""
        signed = []
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1]):
            signed.append((ax - at[0]) * (by - at[1]) - (ay - at[1]) * (bx - at[0]))
        return all(e > 0 for e in signed) or all(e < 0 for e in signed)

    for j in range(rows):
        for i in range(columns):
            for sx, sy in samples:
                at = (i + sx, j + sy)
                first, second = inside([p, q, r], at), inside([q, s, r], at)
                fill = BLUE if first else ORANGE if second else "#ffffff"
                px, py = place(at)
                d.dot(round(px, 2), round(py, 2), 3.4, fill, "none" if first or second else RULE)
    x = 484
    d.text(x, 114, "A corner in pixels, times w", 12.5, bold=True)
    d.text(x, 134, "p = (x, y, w)", 13)
    d.text(x, 164, "The edge function at P = (X, Y, 1)", 12.5, bold=True)
    d.text(x, 184, "eᵢ = P · (pⱼ × pₖ)", 13)
    d.text(x, 214, "Inside", 12.5, bold=True)
    d.text(x, 234, "e₀, e₁, e₂ > 0, and 0 ≤ depth < what is there", 13)
    d.text(x, 264, "On the shared edge", 12.5, bold=True)
    d.rows(x, 284, ["both triangles have the same function, of opposite", "sign; a sample on the line itself goes to one of them"], 12, SOFT, step=18)
    d.text(x, 330, "Weights on the triangle itself", 12.5, bold=True)
    d.text(x, 350, "bᵢ = eᵢ / (e₀ + e₁ + e₂)", 13)
    d.dot(x + 5, 376, 3.4, BLUE)
    d.dot(x + 17, 376, 3.4, ORANGE)
    d.text(x + 30, 380, "samples of either", 12, SOFT)
    d.dot(x + 150, 376, 3.4, "#ffffff", RULE)
    d.text(x + 162, 380, "of neither; four a pixel", 12, SOFT)
    d.save()


def gpu():
    """One formula and its three readings; the two backward kernels of attention over the square of scores."""
    d = Drawing("gpu.svg", 980, 470, "A formula read in three ways, and the two backward kernels of attention")
    d.text(24, 30, "One formula, three readings", 14, bold=True)
    d.box(24, 46, 250, 62, BLUE)
    d.text(38, 68, "|[x, y]| x * x.sigmoid() * y", 12.5, code=True)
    d.text(38, 92, "a Rust function over any Number", 11.5, SOFT)
    readings = [
        (GREEN, "f32, f64", ["a loop over elements, and", "the twin that tests compare"]),
        (GREEN, "a register of lanes", ["8 or 16 elements a step on", "the processor's vector units"]),
        (ORANGE, "Expr", ["records the operators; the", "graph is printed as WGSL"]),
    ]
    for i, (color, name, lines) in enumerate(readings):
        y = 134 + 78 * i
        d.box(64, y, 210, 64, color, "#ffffff", 1.3)
        d.text(78, y + 21, name, 12.5, color, bold=True)
        d.rows(78, y + 39, lines, 11.5, SOFT, step=16)
        d.line([(40, 108), (40, y + 32), (62, y + 32)], SOFT, 1.3, True)
    d.box(24, 382, 292, 72, ORANGE)
    d.rows(36, 403, ["fn formula(x0: f32, x1: f32) -> f32 {", "\u00a0 let t4 = ((x0 * sigmoid(x0)) * x1);", "\u00a0 return t4; }"], 11.5, code=True, step=18)
    d.line([(170, 354), (170, 380)], ORANGE, 1.3, True)
    d.line([(340, 20), (340, 454)], RULE, 1)

    def square(left, owned, columns):
        """The square of scores in tiles; the owned ones are dark, causality hides those above the diagonal."""
        side, n = 34, 6
        for i in range(n):
            for j in range(n):
                hidden = j > i
                mine = (i in owned) if not columns else (j in owned)
                color = ORANGE if columns else BLUE
                fill = "#ffffff" if hidden else (("#f0a66f" if columns else "#9cc9ea") if mine else "#f3f5f7")
                d.box(left + side * j, 128 + side * i, side - 3, side - 3, RULE if hidden or not mine else color, fill, 1, "3 3" if hidden else "", 2)
        d.text(left + side * n / 2, 122, "keys", 11.5, SOFT, "middle")
        d.text(left - 8, 128 + side * n / 2, "queries", 11.5, SOFT, "end")
        return left, side, n

    d.text(364, 30, "Attention backward: two kernels, nothing is added to by two workgroups", 14, bold=True)
    for x, words in ((364, "P = exp(scale · Q Kᵀ − lse)"), (556, "dP = dO Vᵀ"), (648, "dS = P ∘ (dP − δ)"), (780, "δ = rowsum(dO ∘ O) − dlse")):
        d.text(x, 56, words, 12.5)
    d.text(364, 80, "Both compute P and dS again in tiles of 32 × 32, from two numbers a query: lse and δ.", 11.5, SOFT)
    left, side, n = square(430, {3}, False)
    d.line([(left, 128 + 3.45 * side), (left + 4 * side - 8, 128 + 3.45 * side)], BLUE, 2, True)
    d.text(left, 128 + n * side + 20, "dQ: a workgroup owns 32 queries,", 12, BLUE, bold=True)
    d.rows(left, 128 + n * side + 38, ["keys and values pass by", "dQ ← dQ + dS K", "64 threads, each 4 queries by 4 keys"], 11.5, SOFT, step=17)
    left, side, n = square(716, {2}, True)
    d.line([(left + 2.45 * side, 128 + 2 * side), (left + 2.45 * side, 128 + n * side - 8)], ORANGE, 2, True)
    d.text(left, 128 + n * side + 20, "dK, dV: a workgroup owns 32 keys,", 12, ORANGE, bold=True)
    d.rows(left, 128 + n * side + 38, ["queries of all heads of its group pass by", "dV ← dV + Pᵀ dO", "dK ← dK + dSᵀ Q"], 11.5, SOFT, step=17)
    d.text(364, 448, "Tiles that no query of the workgroup sees (dashed, here by causality) are never computed.", 11.5, SOFT)
    d.save()


if __name__ == "__main__":
    for draw in (house, tape, einsum, product, factorizations, rasterizer, gpu):
        draw()
