//! The templates of `dyno new`: their files are in `sdk/templates`, and become part of this binary.

/// A template: its name, what it is, and its files with `{{name}}` for the app's name.
pub(super) struct Template {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) files: &'static [(&'static str, &'static str)],
    /// The command to try first, with NAME for the app's name.
    pub(super) next: &'static str,
}

/// A file of a template: its name in the app, and its text.
macro_rules! file {
    ($template:literal, $name:literal) => {
        file!($template, $name, $name)
    };
    ($template:literal, $name:literal, $source:literal) => {
        (
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../sdk/templates/",
                $template,
                "/",
                $source,
                ".in"
            )),
        )
    };
}

/// The first one is what `dyno new` takes if none is named.
pub(super) const TEMPLATES: &[Template] = &[
    Template {
        name: "rust",
        about: "a web app in Rust: an HTTP handler on WASI 0.2 with wstd",
        files: &[
            file!("rust", "Cargo.toml"),
            file!("rust", "src/main.rs"),
            file!("rust", "Procfile"),
            file!("rust", "README.md"),
            file!("rust", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "axum",
        about: "a web app in Rust, with axum",
        files: &[
            file!("axum", "Cargo.toml"),
            file!("axum", "src/main.rs"),
            file!("axum", "README.md"),
            file!("axum", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "javascript",
        about: "a web app in JavaScript: a fetch handler, without packages",
        files: &[
            file!("javascript", "package.json"),
            file!("javascript", "src/index.js"),
            file!("javascript", "README.md"),
            file!("javascript", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "typescript",
        about: "a web app in TypeScript, with Hono",
        files: &[
            file!("typescript", "package.json"),
            file!("typescript", "tsconfig.json"),
            file!("typescript", "src/index.ts"),
            file!("typescript", "README.md"),
            file!("typescript", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "express",
        about: "a web app for Node.js, with Express and EJS",
        files: &[
            file!("express", "package.json"),
            file!("express", "index.js"),
            file!("express", "views/index.ejs"),
            file!("express", "public/style.css"),
            file!("express", "README.md"),
            file!("express", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "python",
        about: "a web app in Python, with Flask",
        files: &[
            file!("python", "app.py"),
            file!("python", "requirements.txt"),
            file!("python", "templates/index.html"),
            file!("python", "README.md"),
            file!("python", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "starlette",
        about: "a web app in Python, with Starlette (ASGI)",
        files: &[
            file!("starlette", "app.py"),
            file!("starlette", "Procfile"),
            file!("starlette", "requirements.txt"),
            file!("starlette", "templates/index.html"),
            file!("starlette", "README.md"),
            file!("starlette", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "ruby",
        about: "a web app in Ruby, with Sinatra",
        files: &[
            file!("ruby", "app.rb"),
            file!("ruby", "config.ru"),
            file!("ruby", "Gemfile"),
            file!("ruby", "views/index.erb"),
            file!("ruby", "README.md"),
            file!("ruby", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "go",
        about: "a web app in Go, with net/http",
        files: &[
            file!("go", "go.mod"),
            file!("go", "main.go"),
            file!("go", "templates/index.html"),
            file!("go", "static/style.css"),
            file!("go", "README.md"),
            file!("go", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "static",
        about: "a static site: pages that need no tools",
        files: &[
            file!("static", "index.html"),
            file!("static", "404.html"),
            file!("static", "style.css"),
            file!("static", "dyno.toml"),
            file!("static", "README.md"),
            file!("static", ".gitignore", "gitignore"),
        ],
        next: "dyno local NAME",
    },
    Template {
        name: "c",
        about: "a program in C: a command that reads and prints",
        files: &[
            file!("c", "main.c"),
            file!("c", "README.md"),
            file!("c", ".gitignore", "gitignore"),
        ],
        next: "cd NAME && dyno local run -- main Ada",
    },
];
