"""Posts: Markdown files whose first lines say title and date."""

import os
from datetime import date

import markdown


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
        "html": markdown.markdown(text, extensions=["fenced_code", "tables"]),
        "begins": markdown.markdown(text.split("\n\n", 1)[0]),
    }


def search(posts, query):
    """Those in which all words are, in any case."""
    words = query.casefold().split()
    return [post for post in posts if all(word in f"{post['title']} {post['text']}".casefold() for word in words)]
