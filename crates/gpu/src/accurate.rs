//! Elementary functions in WGSL that are as accurate as those of the CPU. WGSL's own may be off by 2⁻¹¹ in a sine, and may take
//! NaN and infinities for granted not to occur.
//!
//! The polynomials are those of [`Format`].

use monotile_kernels::math::Format;

/// What formulas call these functions by; see [`monotile_kernels::number::prefixed_wgsl_of`].
pub(crate) const PREFIX: &str = "accurate_";

/// The functions that `text` calls, and those that they call, as a text to put before it.
pub(crate) fn functions_for(text: &str) -> String {
    let mut needed: Vec<String> = Vec::new();
    // Callers come after what they call.
    for function in all().into_iter().rev() {
        let name = function.trim_start_matches("fn ").split('(').next().unwrap_or_default();
        let call = format!("{name}(");
        if text.contains(&call) || needed.iter().any(|caller| caller.contains(&call)) {
            needed.push(function);
        }
    }
    needed.reverse();
    needed.concat()
}

fn number(x: f64) -> String {
    format!("({:?}f)", x as f32)
}

/// Horner's rule as nested multiply-adds.
fn polynomial(coefficients: &[f64], x: &str) -> String {
    let (last, rest) = coefficients.split_last().expect("a polynomial has a coefficient");
    rest.iter().rev().fold(number(*last), |sum, &c| format!("fma({sum}, {x}, {})", number(c)))
}

/// π/2 in four parts, of which the first three have twelve bits, so that their products with numbers below 2¹² are exact.
fn quarters() -> [f64; 4] {
    let mut rest = std::f64::consts::FRAC_PI_2;
    let mut part = || {
        let bits = (rest as f32).to_bits() & 0xffff_f000;
        let part = f64::from(f32::from_bits(bits));
        rest -= part;
        part
    };
    let [a, b, c] = [part(), part(), part()];
    // What f64 has not of π/2.
    [a, b, c, rest + 6.123_233_995_736_766e-17]
}

fn all() -> Vec<String> {
    let [quarter_1, quarter_2, quarter_3, quarter_4] = quarters().map(number);
    let (ln2_high, ln2_low) = (number(f32::LN_2_HIGH.into()), number(f32::LN_2_LOW.into()));
    let log2_e = number(f32::LOG2_E.into());
    let exp_tail = polynomial(f32::EXP_TAIL, "r");
    let atanh_tail = polynomial(f32::ATANH_TAIL, "z");
    let tanh_tail = polynomial(f32::TANH_TAIL, "z");
    let (sin_tail, cos_tail) = (polynomial(f32::SIN_TAIL, "z"), polynomial(f32::COS_TAIL, "z"));
    let two_over_pi = number(std::f64::consts::FRAC_2_PI);
    let ln_2 = number(std::f64::consts::LN_2);
    vec![
        // Module constants may not be infinite.
        "fn accurate_of_bits(bits: u32) -> f32 {\n    return bitcast<f32>(bits);\n}\n".to_string(),
        "fn accurate_is_number(x: f32) -> bool {\n    return (bitcast<u32>(x) & 0x7fffffffu) <= 0x7f800000u;\n}\n".to_string(),
        // 2ⁿ e^r; 2ⁿ in two factors, since it may be no number where the result is one.
        format!(
            "fn accurate_power(n: f32, r: f32) -> f32 {{
    let mantissa = 1.0 + fma(r * r, {exp_tail}, r);
    let whole = i32(n);
    let half = whole >> 1u;
    let first = bitcast<f32>(u32(half + 127) << 23u);
    return mantissa * first * bitcast<f32>(u32(whole - half + 127) << 23u);
}}\n"
        ),
        // e^(x + low), low small against x.
        format!(
            "fn accurate_exp_of_sum(x: f32, low: f32) -> f32 {{
    let inside = clamp(x, -110.0, 90.0);
    let n = round(inside * {log2_e});
    let r = fma(n, -{ln2_low}, fma(n, -{ln2_high}, inside)) + low;
    let y = select(accurate_power(n, r), accurate_of_bits(0x7f800000u), x > {});
    return select(x, y, accurate_is_number(x));
}}\n",
            number(f32::EXP_HIGH.into())
        ),
        "fn accurate_exp(x: f32) -> f32 {\n    return accurate_exp_of_sum(x, 0.0);\n}\n".to_string(),
        format!(
            "fn accurate_exp2(x: f32) -> f32 {{
    let inside = clamp(x, -160.0, 129.0);
    let n = round(inside);
    let y = select(accurate_power(n, (inside - n) * {ln_2}), accurate_of_bits(0x7f800000u), x >= 128.0);
    return select(x, y, accurate_is_number(x));
}}\n"
        ),
        // ln x = e ln 2 + ln m: the exponent, and ln m, for finite positive x.
        format!(
            "fn accurate_log_parts(x: f32) -> vec2<f32> {{
    let small = x < 1.17549435e-38;
    let bits = bitcast<u32>(select(x, x * 8388608.0, small)) + (0x3f800000u - 0x3f3504f3u);
    let e = f32(i32(bits >> 23u) - select(127, 150, small));
    let f = bitcast<f32>((bits & 0x7fffffu) + 0x3f3504f3u) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    return vec2<f32>(e, f - (half_square - s * (half_square + z * {atanh_tail})));
}}\n"
        ),
        format!(
            "fn accurate_log(x: f32) -> f32 {{
    let bits = bitcast<u32>(x);
    if ((bits & 0x7fffffffu) == 0u) {{ return accurate_of_bits(0xff800000u); }}
    if (bits >= 0x7f800000u) {{ return select(x, accurate_of_bits(0x7fc00000u), bits > 0x80000000u); }}
    let parts = accurate_log_parts(x);
    return parts.x * {ln2_high} + (parts.x * {ln2_low} + parts.y);
}}\n"
        ),
        // e^(y ln|x|), with the sign of an odd power.
        format!(
            "fn accurate_pow(x: f32, y: f32) -> f32 {{
    if (y == 0.0 || x == 1.0) {{ return 1.0; }}
    if (!accurate_is_number(x) || !accurate_is_number(y)) {{ return accurate_of_bits(0x7fc00000u); }}
    let whole = floor(y) == y;
    let size = bitcast<u32>(x) & 0x7fffffffu;
    let odd = whole && abs(y) < 16777216.0 && (i32(y) & 1) == 1;
    if (x < 0.0 && !whole && size != 0x7f800000u) {{ return accurate_of_bits(0x7fc00000u); }}
    let negative = (bitcast<u32>(x) >> 31u) == 1u && odd;
    var value: f32;
    if (size == 0u || size == 0x7f800000u) {{
        value = select(0.0, accurate_of_bits(0x7f800000u), (size == 0u) == (y < 0.0));
    }} else {{
        let parts = accurate_log_parts(abs(x));
        let high = parts.x * {ln2_high};
        let product = y * high;
        value = accurate_exp_of_sum(product + y * parts.y, fma(y, high, -product) + y * parts.x * {ln2_low} + ((product - (product + y * parts.y)) + y * parts.y));
    }}
    return select(value, -value, negative);
}}\n"
        ),
        format!(
            "fn accurate_tanh(x: f32) -> f32 {{
    let z = x * x;
    let size = abs(x);
    let near = fma(x, z * {tanh_tail}, x);
    let far = 1.0 - 2.0 / (accurate_exp(2.0 * min(size, 20.0)) + 1.0);
    let y = select(near, select(far, -far, x < 0.0), size > 0.6);
    return select(x, y, z > 0.0);
}}\n"
        ),
        "fn accurate_product_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}\n"
        .to_string(),
        // x · 2/π modulo 4 from the 96 binary places of 2/π that matter (Payne and Hanek 1983).
        format!(
            "fn accurate_far_quarters(x: f32) -> vec2<f32> {{
    var places = array<u32, 9>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u);
    let bits = bitcast<u32>(x);
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let start = ((bits >> 23u) & 0xffu) - 120u;
    let word = start >> 5u;
    let shift = start & 31u;
    let back = (32u - shift) & 31u;
    let none = shift == 0u;
    let w0 = (places[word] << shift) | select(places[word + 1u] >> back, 0u, none);
    let w1 = (places[word + 1u] << shift) | select(places[word + 2u] >> back, 0u, none);
    let w2 = (places[word + 2u] << shift) | select(places[word + 3u] >> back, 0u, none);
    let p2 = mantissa * w2;
    let carry = accurate_product_high(mantissa, w2);
    let p1 = mantissa * w1 + carry;
    let p0 = mantissa * w0 + accurate_product_high(mantissa, w1) + select(0u, 1u, p1 < carry);
    var high = (p0 << 2u) | (p1 >> 30u);
    var low = (p1 << 2u) | (p2 >> 30u);
    let below = (high >> 31u) == 1u;
    if (below) {{
        low = ~low + 1u;
        high = ~high + select(0u, 1u, low == 0u);
    }}
    let quarter = (p0 >> 30u) + select(0u, 1u, below);
    let size = (f32(high) * 2.3283064365386963e-10 + f32(low) * 5.421010862427522e-20) * {};
    let negative = (bits >> 31u) == 1u;
    return vec2<f32>(f32(select(quarter, 0u - quarter, negative) & 3u), select(size, -size, below != negative));
}}\n",
            number(std::f64::consts::FRAC_PI_2)
        ),
        format!(
            "fn accurate_quarters(x: f32) -> vec2<f32> {{
    if (abs(x) < 5000.0) {{
        let n = round(x * {two_over_pi});
        let r = (((x - n * {quarter_1}) - n * {quarter_2}) - n * {quarter_3}) - n * {quarter_4};
        return vec2<f32>(f32(i32(n) & 3), r);
    }}
    if ((bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u) {{ return vec2<f32>(0.0, accurate_of_bits(0x7fc00000u)); }}
    return accurate_far_quarters(x);
}}\n"
        ),
        format!(
            "fn accurate_wave(quarter: u32, r: f32) -> f32 {{
    let z = r * r;
    let sine = fma(r * z, {sin_tail}, r);
    let cosine = fma(z * z, {cos_tail}, fma(z, -0.5, 1.0));
    let y = select(sine, cosine, (quarter & 1u) == 1u);
    return select(y, -y, (quarter & 2u) == 2u);
}}\n"
        ),
        "fn accurate_sin(x: f32) -> f32 {
    let parts = accurate_quarters(x);
    return select(x, accurate_wave(u32(parts.x), parts.y), x != 0.0);
}\n"
        .to_string(),
        "fn accurate_cos(x: f32) -> f32 {
    let parts = accurate_quarters(x);
    return accurate_wave(u32(parts.x) + 1u, parts.y);
}\n"
        .to_string(),
    ]
}
