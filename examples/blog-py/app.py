"""A blog: posts are Markdown files of the app, pages are Jinja2 templates, readers leave comments."""

import os
from datetime import datetime, timezone

from flask import Flask, abort, redirect, render_template, request, url_for

from posts import load, search

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 16 * 1024

POSTS = load(os.path.join(app.root_path, "posts"))
COMMENTS_MAX = 100
NAME_MAX = 40
TEXT_MAX = 1_000

# The comments of each post, in this dyno's memory.
comments = {}


@app.context_processor
def everywhere():
    return {"title": os.environ.get("BLOG_TITLE", "Notes on small machines"), "dyno": os.environ.get("DYNO")}


@app.get("/")
def index():
    query = request.args.get("q", "").strip()[:NAME_MAX]
    found = search(POSTS.values(), query) if query else list(POSTS.values())
    return render_template("index.html", posts=found, query=query)


@app.get("/posts/<slug>")
def show(slug, problem=None, status=200):
    post = POSTS.get(slug) or abort(404)
    page = render_template("post.html", post=post, comments=comments.get(slug, []), problem=problem, form=request.form)
    return page, status


@app.post("/posts/<slug>")
def comment(slug):
    POSTS.get(slug) or abort(404)
    name, text = (request.form.get(field, "").strip() for field in ("name", "text"))
    if not name or not text:
        return show(slug, "Please give your name and write something.", 422)
    if len(name) > NAME_MAX or len(text) > TEXT_MAX:
        return show(slug, f"A name has at most {NAME_MAX} characters, a comment {TEXT_MAX}.", 422)
    given = comments.setdefault(slug, [])
    given.append({"name": name, "text": text, "at": datetime.now(timezone.utc)})
    del given[:-COMMENTS_MAX]
    return redirect(url_for("show", slug=slug, _anchor="comments"), 303)


@app.errorhandler(404)
def nothing_here(_error):
    return render_template("nothing.html"), 404
