//! Dates in words, for templates that tell the day.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// A time in UTC in C's notation: `%d %B %Y` is `28 November 2026`. What is not a date or a time of day stays as it is.
pub(super) fn strftime(format: &str, time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    // The first day counted was a Thursday.
    let (weekday, month_name) = (DAYS[((days + 3) % 7) as usize], MONTHS[(month - 1) as usize]);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &format!("{:02}", year % 100),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('e') => out += &format!("{day:2}"),
            Some('-') => out += &letters.next().map_or_else(String::new, |next| unpadded(next, [month, day, hour, minute, second])),
            Some('B') => out += month_name,
            Some('b' | 'h') => out += &month_name[..3],
            Some('A') => out += weekday,
            Some('a') => out += &weekday[..3],
            Some('H') => out += &format!("{hour:02}"),
            Some('I') => out += &format!("{:02}", (hour + 11) % 12 + 1),
            Some('M') => out += &format!("{minute:02}"),
            Some('S') => out += &format!("{second:02}"),
            Some('p') => out += if hour < 12 { "AM" } else { "PM" },
            Some('F') => out += &format!("{year}-{month:02}-{day:02}"),
            Some('T') => out += &format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => out.push('%'),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

/// What `%-d` and its like say: the number without a zero before it.
fn unpadded(letter: char, [month, day, hour, minute, second]: [u64; 5]) -> String {
    match letter {
        'm' => month.to_string(),
        'd' => day.to_string(),
        'H' => hour.to_string(),
        'I' => ((hour + 11) % 12 + 1).to_string(),
        'M' => minute.to_string(),
        'S' => second.to_string(),
        other => format!("%-{other}"),
    }
}

/// Year, month and day, `days` after 1 January 1970.
///
/// # Source
/// Hinnant (2013), "chrono-compatible low-level date algorithms": years begin in March, so that the day that may be missing comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 1 March of the year 0
    let (era, of_era) = (days / 146_097, days % 146_097);
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + of_era_year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, format: &str) -> String {
        strftime(format, UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(at(0, "%A %d %B %Y, %H:%M:%S"), "Thursday 01 January 1970, 00:00:00");
        // Of a year that a century's rule makes leap, the day it is for.
        assert_eq!(at(951_782_400 + 15 * 3600 + 62, "%a %-d %b %y %F %I:%M %p %T"), "Tue 29 Feb 00 2000-02-29 03:01 PM 15:01:02");
        assert_eq!(at(1_795_824_000, "%e. %m. %Y"), "28. 11. 2026");
        assert_eq!(at(4_107_542_400, "%F"), "2100-03-01");
        assert_eq!(at(0, "100 %% %q %"), "100 % %q %");
    }
}
