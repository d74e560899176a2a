# SPDX-License-Identifier: LGPL-2.1-or-later
"""
PKCS#11 as those who hand out cards need it: tokens are made, keys and certificates put on them. Only
for tests: what signs is the product's own code. Each piece of work is done by a process of its own,
because modules read their configuration once, keep threads, and do not like forks.
"""
import base64
import ctypes
import hashlib
import os
import traceback

from lib.world import pki  # which knows where it is

CKU_SO, CKU_USER = 0, 1
RW_SESSION = 2 | 4  # CKF_RW_SESSION, CKF_SERIAL_SESSION
CKO_CERTIFICATE, CKO_PUBLIC, CKO_PRIVATE = 1, 2, 3
CKK = {"RSA": 0, "EC": 3, "Ed25519": 0x40}
CKA = {
    "class": 0x0, "token": 0x1, "private": 0x2, "label": 0x3, "value": 0x11,
    "certificate_type": 0x80, "issuer": 0x81, "serial": 0x82, "key_type": 0x100, "subject": 0x101,
    "id": 0x102, "sensitive": 0x103, "sign": 0x108, "verify": 0x10A, "modulus": 0x120,
    "modulus_bits": 0x121, "public_exponent": 0x122, "private_exponent": 0x123, "prime1": 0x124,
    "prime2": 0x125, "exponent1": 0x126, "exponent2": 0x127, "coefficient": 0x128,
    "extractable": 0x162, "ec_params": 0x180, "ec_point": 0x181, "always_authenticate": 0x202,
}
RSA_PARTS = ("modulus", "public_exponent", "private_exponent", "prime1", "prime2", "exponent1",
             "exponent2", "coefficient")
OID_RSA = bytes.fromhex("2a864886f70d010101")
OID_EC = bytes.fromhex("2a8648ce3d0201")
OID_ED25519 = bytes.fromhex("2b6570")
CURVES = {"P-256": "06082a8648ce3d030107", "P-384": "06052b81040022", "P-521": "06052b81040023"}
CKM_RSA_KEY, CKM_EC_KEY = 0x0, 0x1040


class P11Error(Exception):
    """A function of the module failed; `code` is its CKR."""

    def __init__(self, name, code):
        super().__init__(f"{name}: CKR 0x{code:x}")
        self.code = code


class Attribute(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("value", ctypes.c_void_p), ("len", ctypes.c_ulong)]


class Mechanism(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("len", ctypes.c_ulong)]


def as_bytes(value):
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return bytes(ctypes.c_ulong(value))
    return value.encode() if isinstance(value, str) else value


def template(values):
    """{name: value} as an array of CK_ATTRIBUTE, which keeps its values alive."""
    array = (Attribute * len(values))()
    array.kept = []
    for entry, (name, value) in zip(array, values.items()):
        data = as_bytes(value)
        buffer = ctypes.create_string_buffer(data, len(data) or 1)
        array.kept.append(buffer)
        entry.type, entry.len = CKA[name], len(data)
        entry.value = ctypes.cast(buffer, ctypes.c_void_p)
    return array


class Module:
    """One loaded module; only within do_with()."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.call("C_Initialize", None)

    def call(self, name, *arguments):
        function = getattr(self.library, name)
        function.restype = ctypes.c_ulong
        code = function(*[ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments])
        if code:
            raise P11Error(name, code)

    def slots(self, with_token=1):
        count = ctypes.c_ulong(64)
        slots = (ctypes.c_ulong * 64)()
        self.call("C_GetSlotList", ctypes.c_ubyte(with_token), slots, ctypes.byref(count))
        return list(slots[:count.value])

    def token_label(self, slot):
        info = ctypes.create_string_buffer(512)  # CK_TOKEN_INFO, which starts with the label
        self.call("C_GetTokenInfo", slot, info)
        return info.raw[:32].decode("utf-8", "replace").rstrip()

    def token_flags(self, slot):
        info = ctypes.create_string_buffer(512)
        self.call("C_GetTokenInfo", slot, info)
        return int.from_bytes(info.raw[96:104], "little")

    def slot(self, label):
        for slot in self.slots():
            if self.token_label(slot) == label:
                return slot
        raise RuntimeError(f"no token '{label}'")

    def free_slot(self):
        for slot in self.slots():
            if not self.token_flags(slot) & 0x400:  # CKF_TOKEN_INITIALIZED
                return slot
        raise RuntimeError("no slot without a token")

    def init_token(self, slot, label, so_pin, pin):
        """The slot's number may be another one afterwards."""
        self.call("C_InitToken", slot, so_pin.encode(), len(so_pin), label.ljust(32).encode())
        session = self.session(self.slot(label), so_pin, CKU_SO)
        self.call("C_InitPIN", session, pin.encode(), len(pin))
        self.call("C_CloseSession", session)

    def session(self, slot, pin, user=CKU_USER):
        handle = ctypes.c_ulong()
        self.call("C_OpenSession", slot, RW_SESSION, None, None, ctypes.byref(handle))
        if pin is not None:
            self.call("C_Login", handle.value, user, pin.encode(), len(pin))
        return handle.value

    def create(self, session, values):
        handle = ctypes.c_ulong()
        array = template(values)
        self.call("C_CreateObject", session, array, len(array), ctypes.byref(handle))
        return handle.value

    def generate(self, session, mechanism, public, private):
        """Makes a key pair on the token; the handles of both halves."""
        handles = (ctypes.c_ulong * 2)()
        halves = template(public), template(private)
        self.call("C_GenerateKeyPair", session, ctypes.byref(Mechanism(mechanism, None, 0)),
                  halves[0], len(halves[0]), halves[1], len(halves[1]),
                  ctypes.byref(handles, 0), ctypes.byref(handles, 8))
        return handles[0], handles[1]

    def find(self, session, values):
        array, found = template(values), (ctypes.c_ulong * 64)()
        count = ctypes.c_ulong()
        self.call("C_FindObjectsInit", session, array, len(array))
        self.call("C_FindObjects", session, found, 64, ctypes.byref(count))
        self.call("C_FindObjectsFinal", session)
        return list(found[:count.value])

    def get(self, session, handle, name):
        buffer = ctypes.create_string_buffer(8192)
        entry = Attribute(CKA[name], ctypes.cast(buffer, ctypes.c_void_p), 8192)
        self.call("C_GetAttributeValue", session, handle, ctypes.byref(entry), 1)
        return buffer.raw[:entry.len]

    def destroy(self, session, handle):
        self.call("C_DestroyObject", session, handle)


def do_with(path, work):
    """Calls work(Module) in a child; what it raised is raised here, in words. Modules are not heard."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            work(Module(path))
            os._exit(0)
        except BaseException:  # pylint: disable=broad-except
            os.write(writer, traceback.format_exc().encode()[-4000:])
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"{path}: status {status}: {text}")


# DER, as far as keys and certificates need it.

def parts(data):
    """[(tag, content, whole)] of the elements that follow one another in @data."""
    found, at = [], 0
    while at < len(data):
        start, tag, length = at, data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at:at + size], "big"), at + size
        found.append((tag, data[at:at + length], data[start:at + length]))
        at += length
    return found


def of_pem(path):
    """The first block of a PEM file."""
    body, inside = "", False
    for line in pki.read(path).splitlines():
        if line.startswith("-----"):
            if inside:
                break
            inside = True
        elif inside:
            body += line
    return base64.b64decode(body)


def certificate_fields(der):
    """Subject, issuer, serial number and public key of a certificate, each whole."""
    fields = parts(parts(parts(der)[0][1])[0][1])
    serial, issuer, subject, spki = (fields[i][2] for i in (1, 3, 5, 6))
    return {"serial": serial, "issuer": issuer, "subject": subject, "spki": spki}


def spki_sha256(path):
    """As `certs.d` and bindings name a public key: of a certificate in PEM."""
    return hashlib.sha256(certificate_fields(of_pem(path))["spki"]).hexdigest()


def private_values(path):
    """The attributes of a private key in PEM (unencrypted PKCS#8)."""
    der = of_pem(path)
    _, algorithm, key = [part[1] for part in parts(parts(der)[0][1])[:3]]
    oid = parts(algorithm)[0][1]
    if oid == OID_RSA:
        numbers = [part[1].lstrip(b"\0") for part in parts(parts(key)[0][1])[1:]]
        return {"key_type": CKK["RSA"], **dict(zip(RSA_PARTS, numbers))}
    if oid == OID_EC:
        return {"key_type": CKK["EC"], "ec_params": parts(algorithm)[1][2],
                "value": parts(parts(key)[0][1])[1][1]}
    if oid == OID_ED25519:
        return {"key_type": CKK["Ed25519"], "ec_params": pki.der(0x13, b"edwards25519"),
                "value": parts(key)[0][1]}
    raise RuntimeError(f"{path}: a key of another kind")


def put_key(module, session, path, ident, label, **changes):
    """A private key made elsewhere. @changes: other attributes, for keys that are not as they should."""
    values = {"class": CKO_PRIVATE, "token": True, "private": True, "sensitive": True,
              "extractable": False, "sign": True, "id": ident, "label": label}
    module.create(session, {**values, **private_values(path), **changes})


def put_public_key(module, session, path, ident, label):
    """The public half, which is readable without a PIN, of a private key of an elliptic curve."""
    spki = pki.openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
    algorithm, bits = [part[1] for part in parts(parts(spki)[0][1])]
    module.create(session, {
        "class": CKO_PUBLIC, "token": True, "private": False, "verify": True, "id": ident,
        "label": label, "key_type": CKK["EC"], "ec_params": parts(algorithm)[1][2],
        "ec_point": pki.der(4, bits[1:])})


def put_certificate(module, session, der, ident, label, **changes):
    """A certificate; what is none gets fields that say nothing."""
    try:
        fields = certificate_fields(der)
    except IndexError:
        fields = {"serial": b"\x02\x01\x01", "issuer": b"\x30\x00", "subject": b"\x30\x00"}
    values = {"class": CKO_CERTIFICATE, "certificate_type": 0, "token": True, "private": False,
              "id": ident, "label": label, "value": der, "subject": fields["subject"],
              "issuer": fields["issuer"], "serial": fields["serial"]}
    module.create(session, {**values, **changes})


def new_ec_key(module, session, ident, label, curve="P-256"):
    """Makes a key that never leaves its token; its public half as DER."""
    params = bytes.fromhex(CURVES[curve])
    both = {"token": True, "id": ident, "label": label}
    public, _ = module.generate(
        session, CKM_EC_KEY, {**both, "ec_params": params, "verify": True},
        {**both, "private": True, "sensitive": True, "sign": True})
    point = parts(module.get(session, public, "ec_point"))[0][1]
    algorithm = pki.der(0x30, pki.der(6, OID_EC) + params)
    return pki.der(0x30, algorithm + pki.der(3, b"\0" + point))
