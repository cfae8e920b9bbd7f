//! When a service is being worked on, in UTC.

use std::time::Duration;

use serde::Deserialize;

const DAY: u64 = 86_400;

/// A window, as users write it: once, or every week.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a window has `from` and `to`, or `at`, `minutes` and perhaps `days`"
)]
pub(crate) enum WindowForm {
    /// `{from: 2026-05-01T02:00:00Z, to: 2026-05-01T04:00:00Z}`
    Once(OnceForm),
    /// `{days: [sun], at: "02:00", minutes: 120}`
    Weekly(WeeklyForm),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnceForm {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeeklyForm {
    #[serde(default)]
    days: Vec<String>,
    at: String,
    minutes: u32,
}

/// Seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Once {
        from: u64,
        to: u64,
    },
    Weekly {
        /// Sunday first.
        days: [bool; 7],
        /// Seconds of the day.
        at: u64,
        length: u64,
    },
}

impl WindowForm {
    pub(crate) fn compile(&self) -> Result<Window, String> {
        match self {
            WindowForm::Once(form) => {
                let (from, to) = (instant(&form.from)?, instant(&form.to)?);
                if to <= from {
                    return Err(format!("`{}` is not after `{}`", form.to, form.from));
                }
                Ok(Window::Once { from, to })
            }
            WindowForm::Weekly(form) => {
                let length = u64::from(form.minutes) * 60;
                if length == 0 || length > DAY {
                    return Err("minutes: 1 to 1440".to_owned());
                }
                Ok(Window::Weekly {
                    days: days(&form.days)?,
                    at: time_of_day(&form.at)?,
                    length,
                })
            }
        }
    }
}

impl Window {
    /// How long it still lasts, if it is open.
    pub(crate) fn rest(&self, now: Duration) -> Option<Duration> {
        let now = now.as_secs();
        let until = match self {
            Window::Once { from, to } => (*from..*to).contains(&now).then_some(*to)?,
            Window::Weekly { days, at, length } => {
                let today = now / DAY;
                // One that began yesterday may go on past midnight.
                [Some(today), today.checked_sub(1)]
                    .into_iter()
                    .flatten()
                    .find_map(|day| {
                        // 1970 began on a Thursday.
                        let weekday = usize::try_from((day + 4) % 7).ok()?;
                        let from = day * DAY + at;
                        let open = *days.get(weekday)? && (from..from + length).contains(&now);
                        open.then_some(from + length)
                    })?
            }
        };
        Some(Duration::from_secs(until - now))
    }
}

fn days(names: &[String]) -> Result<[bool; 7], String> {
    const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    if names.is_empty() {
        return Ok([true; 7]);
    }
    if let Some(name) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(format!("days: `{name}` is none of {}", NAMES.join(", ")));
    }
    Ok(NAMES.map(|day| names.iter().any(|name| name == day)))
}

/// `02:00`
fn time_of_day(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time of day: write `02:00`");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = (
        digits(hour, 2).ok_or_else(wrong)?,
        digits(minute, 2).ok_or_else(wrong)?,
    );
    if hour > 23 || minute > 59 {
        return Err(wrong());
    }
    Ok(hour * 3600 + minute * 60)
}

/// `2026-05-01T02:00:00Z` (RFC 3339, in UTC).
fn instant(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: write `2026-05-01T02:00:00Z`");
    let (date, time) = text
        .strip_suffix('Z')
        .and_then(|text| text.split_once('T'))
        .ok_or_else(wrong)?;
    let mut date = date.splitn(3, '-');
    let mut part = |len| date.next().and_then(|part| digits(part, len)).ok_or_else(wrong);
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let (minutes, seconds) = time.rsplit_once(':').ok_or_else(wrong)?;
    let seconds = digits(seconds, 2)
        .filter(|second| *second < 60)
        .ok_or_else(wrong)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return Err(wrong()),
    };
    if year < 1970 || day == 0 || day > last {
        return Err(wrong());
    }
    // Years begin in March here, so that the leap day is the last one of its year.
    let (shifted, months) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * months + 2) / 5 + day - 1;
    // From the first of March of the year 0 to the first of January of 1970.
    let since_1970 = days - 719_468;
    Ok(since_1970 * DAY + time_of_day(minutes).map_err(|_| wrong())? + seconds)
}

fn digits(text: &str, len: usize) -> Option<u64> {
    let plain = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cairn_filter::serde_json;

    use super::{Window, WindowForm, instant};

    fn window(form: &str) -> Result<Window, String> {
        let form: WindowForm = serde_json::from_str(form).map_err(|error| error.to_string())?;
        form.compile()
    }

    fn rest(window: &Window, now: &str) -> Option<u64> {
        let now = Duration::from_secs(instant(now).unwrap());
        window.rest(now).map(|rest| rest.as_secs())
    }

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-01-01T00:00:00Z", 1_767_225_600),
            ("2100-03-01T00:00:01Z", 4_107_542_401),
        ] {
            assert_eq!(instant(text), Ok(seconds), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00+02:00",
            "2026-01-01",
            "1969-12-31T00:00:00Z",
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_is_open_from_its_beginning_to_before_its_end() {
        let once = window(r#"{"from": "2026-05-01T02:00:00Z", "to": "2026-05-01T04:00:00Z"}"#).unwrap();
        assert_eq!(rest(&once, "2026-05-01T01:59:59Z"), None);
        assert_eq!(rest(&once, "2026-05-01T02:00:00Z"), Some(7200));
        assert_eq!(rest(&once, "2026-05-01T03:59:59Z"), Some(1));
        assert_eq!(rest(&once, "2026-05-01T04:00:00Z"), None);
    }

    #[test]
    fn a_week_comes_again_and_midnight_is_no_end() {
        // 2026-05-02 is a Saturday.
        let weekly = window(r#"{"days": ["sat"], "at": "23:00", "minutes": 120}"#).unwrap();
        assert_eq!(rest(&weekly, "2026-05-02T23:30:00Z"), Some(5400));
        assert_eq!(rest(&weekly, "2026-05-03T00:30:00Z"), Some(1800));
        assert_eq!(rest(&weekly, "2026-05-09T23:00:00Z"), Some(7200));
        assert_eq!(rest(&weekly, "2026-05-03T23:30:00Z"), None);
        assert_eq!(rest(&weekly, "2026-05-02T00:30:00Z"), None);
        let daily = window(r#"{"at": "02:00", "minutes": 1}"#).unwrap();
        assert_eq!(rest(&daily, "2026-05-06T02:00:59Z"), Some(1));
    }

    #[test]
    fn windows_that_never_open_are_refused() {
        for form in [
            r#"{"from": "2026-05-01T02:00:00Z", "to": "2026-05-01T02:00:00Z"}"#,
            r#"{"at": "24:00", "minutes": 1}"#,
            r#"{"at": "02:00", "minutes": 0}"#,
            r#"{"at": "02:00", "minutes": 1, "days": ["sunday"]}"#,
            r#"{"at": "02:00"}"#,
        ] {
            assert!(window(form).is_err(), "{form}");
        }
    }
}
