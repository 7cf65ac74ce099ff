//! The page as HTML.

use html_escape::encode_text;

use crate::queue::Job;

/// The whole page. It reloads itself while a job is not done.
pub fn page(jobs: &[Job], problem: Option<&str>) -> String {
    let refresh = match jobs.iter().any(|job| job.state != "done") {
        true => "<meta http-equiv=refresh content=2>",
        false => "",
    };
    let problem =
        problem.map(|why| format!("<p class=problem role=alert>{}</p>", encode_text(why)));
    let rows: String = jobs.iter().map(row).collect();
    let table = match jobs {
        [] => "<p>No jobs yet.</p>".to_owned(),
        _ => format!(
            "<table><thead><tr><th>Job<th>Number<th>State<th>Factors<th>By</thead><tbody>{rows}</tbody></table>"
        ),
    };
    include_str!("page.html")
        .replace("{refresh}", refresh)
        .replace("{problem}", &problem.unwrap_or_default())
        .replace("{table}", &table)
}

fn row(job: &Job) -> String {
    format!(
        "<tr class={}><td>{}<td>{}<td>{}<td>{}<td>{}\n",
        encode_text(&job.state),
        job.id,
        encode_text(&job.number),
        encode_text(&job.state),
        encode_text(&job.result),
        encode_text(&job.by)
    )
}
