//! One person at one WebSocket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use crate::room::Room;

/// Most characters of a name, and of a line.
const NAME_MAX: usize = 30;
const LINE_MAX: usize = 500;
/// Largest WebSocket message, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Interval of pings to a silent browser: shorter than the time after which the router closes an idle connection.
const PING_EVERY: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
pub struct Who {
    #[serde(default)]
    name: String,
}

/// A line, as it is sent through Redis and to the browsers.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    text: &'a str,
    /// Unix time in milliseconds.
    at: u128,
}

/// Answers `GET /talk?name=…` with a WebSocket.
pub async fn upgrade(
    who: Query<Who>,
    State(talks): State<TaskTracker>,
    socket: WebSocketUpgrade,
) -> Response {
    let name = who.0.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_MAX {
        return (
            StatusCode::BAD_REQUEST,
            "Please give a name of up to 30 characters.\n",
        )
            .into_response();
    }
    let socket = socket.max_message_size(MESSAGE_BYTES_MAX);
    let open = talks.token();
    socket.on_upgrade(async move |mut socket| {
        if let Err(error) = talk(&mut socket, &name).await {
            eprintln!("{error}");
            let sorry = CloseFrame {
                code: close_code::AGAIN,
                reason: "The room cannot be reached right now.".into(),
            };
            let _ = socket.send(Message::Close(Some(sorry))).await;
        }
        drop(open);
    })
}

async fn talk(socket: &mut WebSocket, name: &str) -> Result<(), redis::RedisError> {
    let (mut room, heard) = Room::join().await?;
    // A new line may be both in the list and in the subscription: it is shown once.
    let mut shown = room.before().await?;
    for line in &shown {
        if socket.send(Message::text(line.clone())).await.is_err() {
            return Ok(());
        }
    }
    println!("{name} came in");
    let mut heard = heard.into_on_message();
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        let message = tokio::select! {
            line = heard.next() => {
                let Some(line) = line else {
                    return Err(std::io::Error::other("Redis closed the connection").into());
                };
                let line: String = line.get_payload()?;
                if let Some(place) = shown.iter().position(|known| *known == line) {
                    shown.remove(place);
                    continue;
                }
                Message::text(line)
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    let text = text.trim();
                    if !text.is_empty() && text.chars().count() <= LINE_MAX {
                        room.say(&line(name, text)).await?;
                    }
                    continue;
                }
                // The library answers a close while it reads the next message, which is the end.
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => break,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        if socket.send(message).await.is_err() {
            break;
        }
    }
    println!("{name} left");
    Ok(())
}

fn line(name: &str, text: &str) -> String {
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    serde_json::to_string(&Line { name, text, at }).unwrap_or_default()
}
