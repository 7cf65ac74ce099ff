"""What the scenario `languages` asks of ASGI: this very source on a dyno, and on uvicorn."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.templating import Jinja2Templates

templates = Jinja2Templates(directory="templates")
ROWS = [{"id": at, "name": f"Tea & <biscuits> no. {at}", "price": at * 3} for at in range(1, 21)]


async def hello(request):
    return PlainTextResponse("Hello, world!\n")


async def page(request):
    return templates.TemplateResponse(request, "page.html", {"title": "Rows & columns", "rows": ROWS})


async def change(request):
    items = await request.json()
    for item in items:
        item["done"] = True
    return JSONResponse(items)


async def number(request):
    return PlainTextResponse(str(fib(int(request.query_params["n"]))))


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


app = Starlette(
    routes=[
        Route("/hello", hello),
        Route("/page", page),
        Route("/json", change, methods=["POST"]),
        Route("/fib", number),
    ]
)
