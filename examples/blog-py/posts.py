"""Posts: Markdown files that begin with lines for title and date."""

import os
from datetime import date

from markdown import Markdown
from markdown.extensions.fenced_code import FencedCodeExtension
from markdown.extensions.tables import TableExtension

# One for all posts: making it takes longer than rendering a post.
MARKDOWN = Markdown(extensions=[FencedCodeExtension(), TableExtension()])


def load(folder):
    """All posts by the names of their files, the newest first."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".md"))
    posts = [read(folder, name.removesuffix(".md")) for name in names]
    posts.sort(key=lambda post: post["date"], reverse=True)
    return {post["slug"]: post for post in posts}


def read(folder, slug):
    with open(os.path.join(folder, f"{slug}.md"), encoding="utf-8") as file:
        head, _, text = file.read().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return {
        "slug": slug,
        "title": fields["title"],
        "date": date.fromisoformat(fields["date"]),
        "text": text,
        "html": html(text),
        "begins": html(text.split("\n\n", 1)[0]),
    }


def html(text):
    return MARKDOWN.reset().convert(text)


def search(posts, query):
    """The posts that contain all words, in upper or lower case."""
    words = query.casefold().split()
    return [post for post in posts if all(word in f"{post['title']} {post['text']}".casefold() for word in words)]
