"""The component of a Python app: the three interfaces that it exports, built on the other files of this folder.

While building, this module imports the packages that the app imports (`wanted.txt`), so that the snapshot of the
interpreter has them in memory, but none of the app's own modules. When a dyno boots, it imports the app itself from the
slug's files: the app sees its config vars from its first line on.

The packages are at `/0` in both cases: componentize-py names the folders of its path by number, and compiled code
remembers where it was loaded from.
"""

import os

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import environment, exit
from wit_world.imports.wasi_http_types import IncomingRequest, ResponseOutparam

import dyno_command
import dyno_load
from dyno_report import flush, one_line, print_exception
from dyno_streams import Input, Reply, RequestHead
from dyno_wsgi import ClientLeft

loaded = None


def app():
    """The app, imported once."""
    global loaded
    if loaded is None:
        loaded = dyno_load.load()
    return loaded


class Boot(exports.Boot):
    def load(self) -> None:
        try:
            app()
        except BaseException as error:
            print_exception(error)
            raise Err(one_line(error)) from None
        finally:
            flush()


class Run(exports.Run):
    def run(self) -> None:
        code = dyno_command.run(environment.get_arguments()[1:])
        if code:
            exit.exit_with_code(code)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        head = RequestHead(request)
        reply = Reply(response_out, head.method)
        body = Input(request)
        try:
            load_or_exit()(head, body, reply)
            reply.finish()
        except ClientLeft:
            reply.break_off()
        except BaseException as error:  # sys.exit() in an app ends its request, not the dyno
            print_exception(error)
            reply.fail()
        finally:
            body.release()
            flush()


def load_or_exit():
    """Returns the app, for a host that has not called `load` before. Without its app, an instance is useless."""
    try:
        return app()
    except BaseException as error:
        print_exception(error)
        flush()
        exit.exit_with_code(1)


if os.path.isdir(dyno_load.BUILD):
    import dyno_prepare

    dyno_prepare.prepare()
