"""Others' systems: an identity provider, Redis, PostgreSQL. The first two are small ones of our own."""

import asyncio
import dataclasses
import json
import re
import time

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from riskweave.service.identity_provider import Provider
from riskweave.service.meter import Meter
from riskweave.service.port import Decided
from riskweave.service.profiles import Profiles
from riskweave.service.settings import Oidc, Redis
from tests.service.conftest import Place, payment, problem

ISSUER = "https://id.test"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})


class Answer:
    def __init__(self, told, status_code=200):
        self.status_code, self.content = status_code, json.dumps(told).encode()

    def json(self):
        return json.loads(self.content)


class FakeProvider:
    """Publishes a key and exchanges any code for a token with the claims it was given."""

    def __init__(self):
        self.claims = {}
        self.key = KEY
        self.posted = {}

    def get(self, url):
        if url.endswith("openid-configuration"):
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return Answer({"issuer": ISSUER} | {name: f"{ISSUER}/{end}" for name, end in names.items()})
        return Answer({"keys": [KEY.as_dict(private=False)]})

    def post(self, url, data):
        self.posted = data
        token = jwt.encode({"alg": "RS256", "kid": "one"}, self.claims, self.key)
        return Answer({"id_token": token})


@pytest.fixture
def signing_in(tmp_path, settings):
    oidc = Oidc(issuer=ISSUER, client_id="riskweave", client_secret="hush")
    with Place(tmp_path, dataclasses.replace(settings, oidc=oidc)) as place:
        fake = FakeProvider()
        place.client.app.control.state.provider = Provider(oidc, fake)
        yield place, fake


def begin(place, fake, **claims):
    """Go to the provider; return the state, once the fake knows what to claim."""
    sent = place.client.get("/api/risk/oidc/login", follow_redirects=False)
    assert (sent.status_code, sent.headers["location"].startswith(f"{ISSUER}/authorize?")) == (302, True)
    query = dict(re.findall(r"[?&]([a-z_]+)=([^&]*)", sent.headers["location"]))
    fake.claims = {
        "iss": ISSUER,
        "aud": "riskweave",
        "sub": "u-1",
        "nonce": query["nonce"],
        "exp": int(time.time()) + 60,
        "iat": int(time.time()),
        "preferred_username": "ann",
        "riskweave_role": "analyst",
    } | claims
    return query["state"]


def come_back(place, state, code="c"):
    return place.client.get(f"/api/risk/oidc/callback?code={code}&state={state}", follow_redirects=False)


def test_a_user_of_the_provider_signs_in_with_the_role_it_names(signing_in):
    place, fake = signing_in
    assert come_back(place, begin(place, fake)).status_code == 303
    me = place.client.get("/api/risk/session").json()
    assert (me["name"], me["role"]) == ("ann", "analyst")
    assert fake.posted["code_verifier"]
    # The second time it is the same user, with the role of now.
    assert come_back(place, begin(place, fake, riskweave_role="auditor")).status_code == 303
    assert place.client.get("/api/risk/session").json()["role"] == "auditor"
    assert len(place.service.accounts.list_users()) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.test"},
        {"aud": "another"},
        {"aud": ["riskweave", "another"]},
        {"nonce": "old"},
        {"exp": 1},
        {"exp": "never"},
        {"iat": 2**40},
        {"sub": ""},
    ],
)
def test_a_token_for_something_else_is_refused(signing_in, claims):
    place, fake = signing_in
    problem(come_back(place, begin(place, fake, **claims)), 401, "login_failed")


def test_a_forged_signature_and_a_foreign_or_used_state_are_refused(signing_in):
    place, fake = signing_in
    fake.key = OTHER_KEY
    problem(come_back(place, begin(place, fake)), 401, "login_failed")
    fake.key = KEY
    state = begin(place, fake)
    problem(come_back(place, "another"), 401, "login_failed")
    assert come_back(place, state).status_code == 303
    problem(come_back(place, state), 401, "login_failed")
    state = begin(place, fake)
    place.client.cookies.delete("riskweave_oidc")
    problem(come_back(place, state), 401, "login_failed")


def test_a_user_without_a_role_is_refused(signing_in):
    place, fake = signing_in
    problem(come_back(place, begin(place, fake, riskweave_role="")), 403, "not_allowed")
    problem(come_back(place, begin(place, fake, riskweave_role="emperor", sub="u-2")), 422, "invalid")


def test_without_a_provider_there_is_no_such_way_in(place):
    problem(place.client.get("/api/risk/oidc/login"), 404, "not_found")


# ---- Redis


class FakeRedis:
    """Takes pipelines of hset and expire, as redis-py's asyncio client does."""

    def __init__(self):
        self.hashes, self.ttl, self.broken, self.closed = {}, {}, False, False

    def pipeline(self, transaction):
        assert transaction is False
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    def hset(self, name, mapping):
        assert all(isinstance(value, (str, int, float)) for value in mapping.values())
        self.hashes[name] = mapping

    def expire(self, name, seconds):
        self.ttl[name] = seconds

    async def execute(self):
        if self.broken:
            raise ConnectionError("gone")

    async def aclose(self):
        self.closed = True


def test_the_last_decision_of_an_entity_is_left_in_redis(place):
    event = payment(1, amount="2000")
    answer: Decided = place.backend.submit(event, None).result()

    async def work():
        redis, meter = FakeRedis(), Meter(dict)
        profiles = Profiles(Redis(url="redis://x", ttl_s=60, queue=2), meter)
        await profiles.start(redis)
        profiles.offer("payment", answer, place.service.live.keys(event))
        await profiles.stop()
        assert redis.closed
        return redis

    redis = asyncio.run(work())
    assert redis.ttl == {"riskweave:customer:c1": 60}
    profile = redis.hashes["riskweave:customer:c1"]
    assert (profile["action"], profile["feature:paid_1h"], profile["rules"]) == ("BLOCK", 2000, "much")
    assert "4111" not in str(redis.hashes)


def test_a_slow_or_broken_redis_costs_profiles_alone(place):
    answer: Decided = place.backend.submit(payment(1), None).result()

    async def work():
        redis, meter = FakeRedis(), Meter(dict)
        redis.broken = True
        profiles = Profiles(Redis(url="redis://x", queue=2), meter)
        for _ in range(5):
            profiles.offer("payment", answer, {"customer": "c1"})
        assert meter.cache_dropped == 3
        await profiles.start(redis)
        await profiles.stop()
        return meter.cache_dropped

    assert asyncio.run(work()) == 5
