//! From a source folder to a slug, and back to files: detect, build, pack, verify, store.
//!
//! A *slug* is one immutable file that holds a built app: its components, its files, and a manifest
//! (`slug.json`) that says what they are. It is named by the SHA-256 of its bytes, and the same input
//! gives the same bytes. It never holds native code.
//!
//! | module | owns |
//! |---|---|
//! | [`project`] | a source folder as its author describes it: `dyno.toml`, `Procfile`, `app.json` |
//! | [`detect`] | which builder fits; `unsupported` knows the languages that have none |
//! | [`mod@build`] | running the language's own tools, which it installs where they are missing |
//! | [`component`] | what a `.wasm` file exports and imports, so what it can be |
//! | [`manifest`] | `slug.json`, and the parsers of what people write |
//! | [`mod@pack`] | the slug file, deterministic |
//! | [`mod@verify`] | the check of a slug that a stranger made |
//! | [`store`] | slugs on this disk, by digest, and unpacked |
//!
//! Must not know how an app is run: no engine, no network, no async. It spawns build tools and, while
//! one runs, two threads that read its output; nothing else lives on.
//!
//! # From source to a folder that a dyno sees
//! ```no_run
//! use std::path::Path;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = slugs::build::Tools::attached("/home/me/.cache/dyno");
//! let built = slugs::build::build(Path::new("examples/hello"), &tools, &mut |step| println!("{step:?}"))?;
//! let packed = slugs::pack::pack(&built, Path::new("hello.slug"))?;
//! println!("{} ({} bytes)", packed.slug.id(), packed.slug.bytes());
//!
//! // Anywhere else: check it all, keep it, unpack it once.
//! let store = slugs::store::Store::open(Path::new("/var/lib/dyno/slugs"))?;
//! let slug = store.put(std::fs::File::open("hello.slug")?)?;
//! let app = store.unpack(slug.id())?;
//! for (process, spec) in &app.manifest.processes {
//!     println!("{process}: {} ({})", app.folder.join(spec.component.as_str()).display(), spec.world);
//! }
//! # Ok(())
//! # }
//! ```

mod app_files;
pub mod build;
pub mod component;
mod digest;
mod format;
mod link;
pub mod manifest;
pub mod pack;
mod path;
mod slug;
pub mod store;
mod text_file;
pub mod verify;

pub use build::{detect, project};
pub use component::{Component, World};
pub use digest::Digest;
pub use format::{COMPONENT_BYTES_MAX, ENTRIES_MAX, EXTENSION, FORMAT, MANIFEST_NAME, MEDIA_TYPE};
pub use format::{MANIFEST_BYTES_MAX, SLUG_BYTES_MAX, UNPACKED_BYTES_MAX};
pub use link::LinkError;
pub use manifest::Manifest;
pub use path::{DEPTH_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, PathError, SlugPath};
pub use slug::Slug;
