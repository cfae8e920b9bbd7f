//! The tables, as a page for readers.

use cairn_api::meta::Kind;
use cairn_api::shape::Path;

use super::rows::{self, Section, UNREAD};
use super::{FIELDS, Support};

const INTRODUCTION: &str = "\
<!-- Made by `cairn compatibility`. Change the rows in proxy/config/src/support and make it again. -->
# Compatibility

Every field of Istio's resources and of the Gateway API, and what Cairn's waypoint and ztunnel do with it.

| | |
|---|---|
| yes | acts as in a waypoint of Istio |
| differently | acts, and how it differs is said beside it |
| not here | has no effect, and is not meant to have one on a waypoint; why is said beside it |
| not yet | is read, and has no effect in this version |

What does not act is reported where it is written: by `cairn validate`, in the log, and in the admin interface. Where a field that does not act
would have forbidden or encrypted something, what depends on it is refused.

`[]` stands for every item of a list, `{}` for every name of a mapping. What a row says of a field holds for everything below it; those fields are named
under it.
";

/// All of the tables as Markdown, a heading per kind: what `docs/compatibility.md` holds.
#[must_use]
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for kind in Kind::ALL {
        kind_into(*kind, &mut page);
    }
    page.push_str(
        "\n## Kinds that are not read\n\nA document of such a kind is reported, and has no effect.\n\n| kind | | |\n|---|---|---|\n",
    );
    for (kind, support) in UNREAD {
        page.push_str(&format!(
            "| {} | {} | {} |\n",
            code(kind),
            word(*support),
            why(*support)
        ));
    }
    page
}

fn kind_into(kind: Kind, page: &mut String) {
    let (Some(table), Some(fields)) = (rows::table(kind), FIELDS.get(&kind)) else {
        return;
    };
    page.push_str(&format!("\n## {kind}\n\n"));
    let versions = kind.versions().iter();
    let versions: Vec<String> = versions
        .map(|version| code(&format!("{}/{version}", kind.group())))
        .collect();
    page.push_str(&format!("{}.", versions.join(", ")));
    if !table.about.is_empty() {
        page.push_str(&format!(" {}", table.about));
    }
    page.push('\n');
    let sections = || table.sections.iter();
    let (single, several): (Vec<&Section>, Vec<&Section>) =
        sections().partition(|section| section.under.len() == 1);
    rows_into(&single, fields, page);
    for section in several {
        let places: Vec<String> = section.under.iter().map(|under| code(under)).collect();
        page.push_str(&format!("\nBelow {}:\n", places.join(", ")));
        rows_into(&[section], fields, page);
    }
}

/// A table of the rows of sections, in the order in which the types declare the fields. What stands in several places is shown without them.
fn rows_into(sections: &[&Section], fields: &[Path], page: &mut String) {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for section in sections {
        let Some(first) = section.under.first() else {
            continue;
        };
        for (row, support) in section.rows {
            let whole = format!("{first}.{row}");
            let shown = if section.under.len() > 1 { *row } else { &whole };
            let field = whole.split('=').next().unwrap_or(&whole);
            let at = fields.iter().position(|path| is_of(&path.field, field));
            let below: Vec<String> = fields
                .iter()
                .filter_map(|path| below(&path.field, field))
                .map(code)
                .collect();
            let mut cell = code(&shown.replace('=', ": "));
            if !below.is_empty() {
                cell.push_str(&format!("<br>{}", below.join(", ")));
            }
            let line = format!("| {cell} | {} | {} |\n", word(*support), why(*support));
            lines.push((at.unwrap_or(fields.len()), line));
        }
    }
    // Stable: the values of one field stay as they are written.
    lines.sort_by_key(|(at, _)| *at);
    page.push_str("\n| field | acts | |\n|---|---|---|\n");
    page.extend(lines.into_iter().map(|(_, line)| line));
}

/// Whether a field is this one or stands below it.
fn is_of(field: &str, above: &str) -> bool {
    field == above || below(field, above).is_some()
}

/// What comes after `above` on the way to `field`, without what only says that it is a list or a mapping.
fn below<'f>(field: &'f str, above: &str) -> Option<&'f str> {
    let rest = field.strip_prefix(above)?;
    let rest = rest
        .strip_prefix("[]")
        .or_else(|| rest.strip_prefix("{}"))
        .unwrap_or(rest);
    rest.strip_prefix('.')
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn word(support: Support) -> &'static str {
    match support {
        Support::Yes => "yes",
        Support::Differently(_) => "differently",
        Support::NotApplicable(_) => "not here",
        Support::NotYet => "not yet",
    }
}

fn why(support: Support) -> &'static str {
    match support {
        Support::Differently(why) | Support::NotApplicable(why) => why,
        Support::Yes | Support::NotYet => "",
    }
}
