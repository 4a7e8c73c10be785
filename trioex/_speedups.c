/* The loops that run for every frame, in C. What they do, and why, is said where they stand
 * in Python: frames.python_take_run, exchanges.keys.PythonKeyMemo, Router.feed_in_python. These
 * must give the same results, and tests run with both. What is not plain is left to Python.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* frames.python_take_run */

static int
is_ascii(const unsigned char *p, Py_ssize_t size)
{
    uint64_t any = 0, word;
    while (size >= 8) {
        memcpy(&word, p, 8);
        any |= word;
        p += 8;
        size -= 8;
    }
    while (size--)
        any |= *p++;
    return !(any & 0x8080808080808080ULL);
}

/* 1 where it is UTF-8, 0 where it is not, -1 with an exception set. */
static int
is_utf8(const unsigned char *p, Py_ssize_t size)
{
    if (is_ascii(p, size))
        return 1;
    PyObject *text = PyUnicode_DecodeUTF8((const char *)p, size, NULL);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(text);
    return 1;
}

PyDoc_STRVAR(take_run_doc,
"take_run(data, at, most, frames) -> (at, size)\n\nSee trioex.frames.");

static PyObject *
take_run(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 4 || !PyBytes_CheckExact(args[0]) || !PyList_CheckExact(args[3])) {
        PyErr_SetString(PyExc_TypeError, "take_run takes bytes, two ints and a list");
        return NULL;
    }
    const unsigned char *data = (const unsigned char *)PyBytes_AS_STRING(args[0]);
    Py_ssize_t total = PyBytes_GET_SIZE(args[0]);
    Py_ssize_t at = PyLong_AsSsize_t(args[1]);
    Py_ssize_t most = PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred())
        return NULL;
    if (at < 0 || at >= total) {
        PyErr_SetString(PyExc_IndexError, "take_run begins outside of its data");
        return NULL;
    }
    PyObject *frames = args[3];
    const unsigned char kind = data[at];
    const int is_text = kind == 0x81;
    Py_ssize_t size = 0;
    while (at < total - 3) {
        Py_ssize_t start, length = data[at + 1];
        if (data[at] != kind)
            break;
        if (length < 126) {
            start = at + 2;
        }
        else if (length == 126) {
            length = (Py_ssize_t)data[at + 2] << 8 | data[at + 3];
            if (length < 126)
                break;
            start = at + 4;
        }
        else {
            break;
        }
        if (start + length > total || length > most)
            break;
        if (is_text) {
            int good = is_utf8(data + start, length);
            if (good < 0)
                return NULL;
            if (!good)
                break;
        }
        PyObject *payload = PyBytes_FromStringAndSize((const char *)data + start, length);
        if (payload == NULL)
            return NULL;
        int failed = PyList_Append(frames, payload);
        Py_DECREF(payload);
        if (failed)
            return NULL;
        size += length;
        at = start + length;
    }
    return Py_BuildValue("nn", at, size);
}

/* transport.tls.python_drain */

PyDoc_STRVAR(drain_doc, "drain(read, most, pieces)\n\nSee trioex.transport.tls.");

static PyObject *
drain(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3 || !PyList_CheckExact(args[2])) {
        PyErr_SetString(PyExc_TypeError, "drain takes a function, an int and a list");
        return NULL;
    }
    for (;;) {
        PyObject *piece = PyObject_CallOneArg(args[0], args[1]);
        if (piece == NULL)
            return NULL;
        int is_end = !PyObject_IsTrue(piece);
        int failed = is_end ? 0 : PyList_Append(args[2], piece);
        Py_DECREF(piece);
        if (failed)
            return NULL;
        if (is_end)
            Py_RETURN_NONE;
    }
}

/* exchanges.keys.PythonKeyMemo */

#define MOST_PLACES 4

typedef struct {
    PyObject_HEAD
    PyObject *slow;     /* (frame) -> key or None */
    PyObject *fronts;   /* tuple of slices, only for Python */
    PyObject *places;   /* dict: front -> some of (start, stop, keys, checks), the newest first */
    Py_ssize_t count;
    Py_ssize_t (*bounds)[2];
    PyObject *last;     /* the front that was found last, of bounds[last_at] */
    PyObject *last_places;
    Py_ssize_t last_at;
    int of_text;
    vectorcallfunc vectorcall;
} KeyMemo;

/* The borrowed places of a frame's front, or NULL, perhaps with an exception. */
static PyObject *
memo_places(KeyMemo *self, const char *data, Py_ssize_t size)
{
    if (self->last != NULL) {
        Py_ssize_t at = self->bounds[self->last_at][0], length = PyBytes_GET_SIZE(self->last);
        if (at + length <= size && !memcmp(data + at, PyBytes_AS_STRING(self->last), length))
            return self->last_places;
    }
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Py_ssize_t at = self->bounds[n][0], stop = self->bounds[n][1];
        if (stop > size)
            continue;
        PyObject *front = PyBytes_FromStringAndSize(data + at, stop - at);
        if (front == NULL)
            return NULL;
        PyObject *places = PyDict_GetItemWithError(self->places, front);
        if (places != NULL) {
            Py_XSETREF(self->last, front);
            Py_XSETREF(self->last_places, Py_NewRef(places));
            self->last_at = n;
            return places;
        }
        Py_DECREF(front);
        if (PyErr_Occurred())
            return NULL;
    }
    return NULL;
}

static int
memo_passes(PyObject *checks, const char *data, Py_ssize_t size)
{
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(checks); n++) {
        PyObject *check = PyTuple_GET_ITEM(checks, n);
        Py_ssize_t at = PyLong_AsSsize_t(PyTuple_GET_ITEM(check, 0));
        PyObject *wanted = PyTuple_GET_ITEM(check, 1);
        Py_ssize_t length = PyBytes_GET_SIZE(wanted);
        if (at < 0)
            at += size;
        if (at < 0 || at + length > size || memcmp(data + at, PyBytes_AS_STRING(wanted), length))
            return 0;
    }
    return 1;
}

/* A new reference: the key, or None; NULL with an exception. */
static PyObject *
memo_find(KeyMemo *self, PyObject *frame)
{
    const char *data = PyBytes_AS_STRING(frame);
    Py_ssize_t size = PyBytes_GET_SIZE(frame);
    PyObject *places = memo_places(self, data, size);
    Py_ssize_t count = places == NULL ? 0 : PyTuple_GET_SIZE(places);
    for (Py_ssize_t n = 0; n < count; n++) {
        PyObject *place = PyTuple_GET_ITEM(places, n);
        Py_ssize_t start = PyLong_AsSsize_t(PyTuple_GET_ITEM(place, 0));
        Py_ssize_t stop = PyLong_AsSsize_t(PyTuple_GET_ITEM(place, 1));
        if (stop > size)
            stop = size;
        if (start >= stop || !memo_passes(PyTuple_GET_ITEM(place, 3), data, size))
            continue;
        PyObject *near = PyBytes_FromStringAndSize(data + start, stop - start);
        if (near == NULL)
            return NULL;
        PyObject *key = PyDict_GetItemWithError(PyTuple_GET_ITEM(place, 2), near);
        Py_DECREF(near);
        if (key != NULL)
            return Py_NewRef(key);
        if (PyErr_Occurred())
            return NULL;
    }
    if (PyErr_Occurred())
        return NULL;
    return PyObject_CallOneArg(self->slow, frame);
}

static PyObject *
memo_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) != 2 || kwnames != NULL || !PyBytes_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "a KeyMemo takes a frame, which is bytes, and a bool");
        return NULL;
    }
    if ((args[1] == Py_True) != ((KeyMemo *)callable)->of_text)
        Py_RETURN_NONE;
    return memo_find((KeyMemo *)callable, args[0]);
}

PyDoc_STRVAR(memo_learn_doc,
"learn(front, start, stop, keys, checks)\n\nSee trioex.exchanges.keys.");

static PyObject *
memo_learn(KeyMemo *self, PyObject *args)
{
    PyObject *front, *keys, *checks;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "SnnO!O!:learn", &front, &start, &stop, &PyDict_Type, &keys,
                          &PyTuple_Type, &checks))
        return NULL;
    if (start < 0) {
        PyErr_SetString(PyExc_ValueError, "a window does not begin before the frame");
        return NULL;
    }
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(checks); n++) {
        PyObject *check = PyTuple_GET_ITEM(checks, n);
        if (!PyTuple_CheckExact(check) || PyTuple_GET_SIZE(check) != 2
            || !PyLong_CheckExact(PyTuple_GET_ITEM(check, 0))
            || !PyBytes_CheckExact(PyTuple_GET_ITEM(check, 1))) {
            PyErr_SetString(PyExc_TypeError, "a check is (place, bytes)");
            return NULL;
        }
    }
    PyObject *known = PyDict_GetItemWithError(self->places, front);
    if (known == NULL && PyErr_Occurred())
        return NULL;
    PyObject *newest = Py_BuildValue("[(nnOO)]", start, stop, keys, checks);
    for (Py_ssize_t n = 0; newest != NULL && known != NULL && n < PyTuple_GET_SIZE(known); n++) {
        PyObject *place = PyTuple_GET_ITEM(known, n);
        if (PyList_GET_SIZE(newest) < MOST_PLACES
            && (PyLong_AsSsize_t(PyTuple_GET_ITEM(place, 0)) != start
                || PyTuple_GET_ITEM(place, 2) != keys)
            && PyList_Append(newest, place) < 0)
            Py_CLEAR(newest);
    }
    PyObject *places = newest == NULL ? NULL : PyList_AsTuple(newest);
    Py_XDECREF(newest);
    if (places == NULL)
        return NULL;
    int failed = PyDict_SetItem(self->places, front, places);
    Py_DECREF(places);
    if (failed)
        return NULL;
    Py_CLEAR(self->last);
    Py_CLEAR(self->last_places);
    Py_RETURN_NONE;
}

static int
memo_traverse(KeyMemo *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->slow);
    Py_VISIT(self->fronts);
    Py_VISIT(self->places);
    Py_VISIT(self->last_places);
    return 0;
}

static int
memo_clear(KeyMemo *self)
{
    Py_CLEAR(self->slow);
    Py_CLEAR(self->fronts);
    Py_CLEAR(self->places);
    Py_CLEAR(self->last);
    Py_CLEAR(self->last_places);
    return 0;
}

static void
memo_dealloc(KeyMemo *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    memo_clear(self);
    PyMem_Free(self->bounds);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
memo_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *fronts, *slow;
    int of_text = 1;
    if (!PyArg_ParseTuple(args, "O!O|p:KeyMemo", &PyTuple_Type, &fronts, &slow, &of_text))
        return NULL;
    KeyMemo *self = (KeyMemo *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = memo_call;
    self->of_text = of_text;
    self->slow = Py_NewRef(slow);
    self->fronts = Py_NewRef(fronts);
    self->places = PyDict_New();
    self->count = PyTuple_GET_SIZE(fronts);
    self->bounds = PyMem_Calloc(self->count ? self->count : 1, sizeof(*self->bounds));
    if (self->places == NULL || self->bounds == NULL)
        goto failed;
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Py_ssize_t step;
        if (!PySlice_Check(PyTuple_GET_ITEM(fronts, n))) {
            PyErr_SetString(PyExc_TypeError, "fronts are slices");
            goto failed;
        }
        if (PySlice_Unpack(PyTuple_GET_ITEM(fronts, n), &self->bounds[n][0],
                           &self->bounds[n][1], &step) < 0)
            goto failed;
        if (self->bounds[n][0] < 0 || self->bounds[n][1] <= self->bounds[n][0] || step != 1) {
            PyErr_SetString(PyExc_ValueError, "a front is a slice of some bytes from the beginning");
            goto failed;
        }
    }
    return (PyObject *)self;
failed:
    if (!PyErr_Occurred())
        PyErr_NoMemory();
    Py_DECREF(self);
    return NULL;
}

static PyMethodDef memo_methods[] = {
    {"learn", (PyCFunction)memo_learn, METH_VARARGS, memo_learn_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef memo_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(KeyMemo, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot memo_slots[] = {
    {Py_tp_doc, "See trioex.exchanges.keys."},
    {Py_tp_new, memo_new},
    {Py_tp_dealloc, memo_dealloc},
    {Py_tp_traverse, memo_traverse},
    {Py_tp_clear, memo_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, memo_methods},
    {Py_tp_members, memo_members},
    {0, NULL},
};

static PyType_Spec memo_spec = {
    .name = "trioex._speedups.KeyMemo",
    .basicsize = sizeof(KeyMemo),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = memo_slots,
};

/* Router.feed_in_python */

enum {
    DECODE, HEARD, MERGER, OUTLETS, SYNCHRONISER, PUT, FAILED, TAKE,
    MISS, UNDECODABLE, SKIP_EMPTY, UNUSUAL, FOLLOW, NAMES
};

static const char *const NAME[NAMES] = {
    "decode", "heard", "merger", "outlets", "synchroniser", "put", "failed", "take",
    "_miss", "_undecodable", "_skip_empty", "_unusual", "_follow",
};

static PyObject *name[NAMES];
static PyObject *DecodeError;
static PyTypeObject *KeyMemoType;

/* Take the exception that is set. */
static PyObject *
raised(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
#endif
}

/* Deliver one message to the outlets of a route; -1 with an exception, 1 where it must pause. */
static int
deliver(PyObject *router, PyObject *route, PyObject *message, PyObject *leg)
{
    int paused = 0;
    PyObject *outlets = PyObject_GetAttr(route, name[OUTLETS]);
    if (outlets == NULL)
        return -1;
    if (!PyTuple_CheckExact(outlets)) {
        PyErr_SetString(PyExc_TypeError, "the outlets of a route are a tuple");
        goto failed;
    }
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(outlets); n++) {
        PyObject *outlet = PyTuple_GET_ITEM(outlets, n);
        PyObject *put = PyObject_GetAttr(outlet, name[PUT]);
        if (put == NULL)
            goto failed;
        PyObject *result = PyObject_CallOneArg(put, message);
        Py_DECREF(put);
        if (result == Py_None) {
            Py_DECREF(result);
            continue;
        }
        PyObject *answer;
        if (result == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_Exception))
                goto failed;
            PyObject *error = raised();
            answer = PyObject_CallMethodOneArg(outlet, name[FAILED], error);
            Py_DECREF(error);
            if (answer == NULL)
                goto failed;
        }
        else {
            PyObject *given[] = {router, outlet, result};
            answer = PyObject_VectorcallMethod(name[UNUSUAL], given,
                                               3, NULL);
            Py_DECREF(result);
            if (answer == NULL)
                goto failed;
            paused |= answer == Py_True;
        }
        Py_DECREF(answer);
    }
    Py_DECREF(outlets);
    PyObject *synchroniser = PyObject_GetAttr(route, name[SYNCHRONISER]);
    if (synchroniser == NULL)
        return -1;
    Py_DECREF(synchroniser);
    if (synchroniser != Py_None) {
        PyObject *given[] = {router, route, message, leg};
        PyObject *answer = PyObject_VectorcallMethod(name[FOLLOW], given,
                                                     4, NULL);
        if (answer == NULL)
            return -1;
        paused |= answer == Py_True;
        Py_DECREF(answer);
    }
    return paused;
failed:
    Py_DECREF(outlets);
    return -1;
}

/* Decode one frame and deliver what is in it; -1 with an exception, 1 where it must pause. */
static int
route_frame(PyObject *router, PyObject *route, PyObject *frame, PyObject *received,
            PyObject *source, PyObject *leg, int *has_heard)
{
    int paused = -1;
    PyObject *decode = PyObject_GetAttr(route, name[DECODE]);
    if (decode == NULL)
        return -1;
    PyObject *given[] = {frame, received};
    PyObject *messages = PyObject_Vectorcall(decode, given, 2, NULL);
    Py_DECREF(decode);
    if (messages == NULL) {
        if (!PyErr_ExceptionMatches(DecodeError))
            return -1;
        PyObject *error = raised();
        PyObject *told[] = {router, route, error};
        PyObject *answer = PyObject_VectorcallMethod(name[UNDECODABLE], told, 3, NULL);
        Py_DECREF(error);
        if (answer == NULL)
            return -1;
        Py_DECREF(answer);
        return 0;
    }
    Py_SETREF(messages, PySequence_Fast(messages, "a decoder returns a sequence"));
    if (messages == NULL)
        return -1;
    if (PyObject_SetAttr(route, name[HEARD], received) < 0
        || (!*has_heard && PyObject_SetAttr(source, name[HEARD], received) < 0))
        goto done;
    *has_heard = 1;
    if (PySequence_Fast_GET_SIZE(messages) == 0) {
        PyObject *answer = PyObject_CallMethodNoArgs(router, name[SKIP_EMPTY]);
        Py_XDECREF(answer);
        paused = answer == NULL ? -1 : 0;
        goto done;
    }
    if (leg != Py_None) {
        PyObject *merger = PyObject_GetAttr(route, name[MERGER]);
        if (merger == NULL)
            goto done;
        if (merger != Py_None) {
            PyObject *both[] = {merger, leg, messages};
            PyObject *fresh = PyObject_VectorcallMethod(
                name[TAKE], both, 3, NULL);
            Py_SETREF(messages, fresh);
        }
        Py_DECREF(merger);
        if (messages == NULL)
            return -1;
        Py_SETREF(messages, PySequence_Fast(messages, "a merger returns a sequence"));
        if (messages == NULL)
            return -1;
    }
    paused = 0;
    for (Py_ssize_t n = 0; n < PySequence_Fast_GET_SIZE(messages); n++) {
        PyObject *message = Py_NewRef(PySequence_Fast_GET_ITEM(messages, n));
        int one = deliver(router, route, message, leg);
        Py_DECREF(message);
        if (one < 0) {
            paused = -1;
            break;
        }
        paused |= one;
    }
done:
    Py_DECREF(messages);
    return paused;
}

PyDoc_STRVAR(feed_doc,
"feed(router, frames, text, received, source, routes, find, leg) -> bool\n\n"
"See trioex.router.");

static PyObject *
feed(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 8 || !PyIter_Check(args[1]) || !PyDict_CheckExact(args[5])) {
        PyErr_SetString(PyExc_TypeError, "feed takes eight arguments, as trioex.router says");
        return NULL;
    }
    PyObject *router = args[0], *frames = args[1], *text = args[2], *received = args[3];
    PyObject *source = args[4], *routes = args[5], *find = args[6], *leg = args[7];
    int is_memo = Py_IS_TYPE(find, KeyMemoType)
                  && (text == Py_True) == ((KeyMemo *)find)->of_text;
    int paused = 0, has_heard = 0;
    PyObject *frame;
    while (!paused && (frame = PyIter_Next(frames)) != NULL) {
        PyObject *key;
        if (is_memo && PyBytes_CheckExact(frame)) {
            key = memo_find((KeyMemo *)find, frame);
        }
        else {
            PyObject *given[] = {frame, text};
            key = PyObject_Vectorcall(find, given, 2, NULL);
        }
        PyObject *route = key == NULL || key == Py_None ? NULL : PyDict_GetItemWithError(routes, key);
        if (route != NULL) {
            Py_INCREF(route);
        }
        else if (key != NULL && !PyErr_Occurred()) {
            PyObject *given[] = {router, key, frame, text, source};
            route = PyObject_VectorcallMethod(name[MISS], given,
                                              5, NULL);
        }
        Py_XDECREF(key);
        if (route == NULL) {
            paused = -1;
        }
        else if (route != Py_None) {
            paused = route_frame(router, route, frame, received, source, leg, &has_heard);
        }
        Py_XDECREF(route);
        Py_DECREF(frame);
    }
    if (paused < 0 || PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(paused);
}

/* The module */

static PyMethodDef methods[] = {
    {"take_run", (PyCFunction)(void (*)(void))take_run, METH_FASTCALL, take_run_doc},
    {"drain", (PyCFunction)(void (*)(void))drain, METH_FASTCALL, drain_doc},
    {"feed", (PyCFunction)(void (*)(void))feed, METH_FASTCALL, feed_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "trioex._speedups",
    .m_doc = "The loops that run for every frame, in C; see trioex.speedups.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    for (int n = 0; n < NAMES; n++) {
        name[n] = PyUnicode_InternFromString(NAME[n]);
        if (name[n] == NULL)
            return NULL;
    }
    PyObject *errors = PyImport_ImportModule("trioex.errors");
    if (errors == NULL)
        return NULL;
    DecodeError = PyObject_GetAttrString(errors, "DecodeError");
    Py_DECREF(errors);
    PyObject *made = PyModule_Create(&module);
    if (DecodeError == NULL || made == NULL)
        return NULL;
    PyObject *type = PyType_FromSpec(&memo_spec);
    if (type == NULL)
        return NULL;
    KeyMemoType = (PyTypeObject *)type;
    if (PyModule_AddObjectRef(made, "KeyMemo", type) < 0)
        return NULL;
    return made;
}
