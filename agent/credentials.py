"""How the agent proves who it is, and how it knows the broker."""

import ssl
from pathlib import Path

from paho.mqtt.client import Client

from agent.errors import SettingsError
from agent.settings import Broker


def add_credentials(client: Client, broker: Broker) -> None:
    """User, password and certificates of the settings, read anew for each connection.

    Raises:
        SettingsError: a file cannot be read.
    """
    if broker.username is not None:
        try:
            secret = Path(broker.password_file).read_text().strip() if broker.password_file else None
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(broker, error) from error
        client.username_pw_set(broker.username, secret)
    if broker.tls:
        client.tls_set_context(tls_context(broker))


def tls_context(broker: Broker) -> ssl.SSLContext:
    """TLS 1.2 or newer; the broker's certificate and name are always checked.

    Raises:
        SettingsError: a file cannot be read, or certificate and key do not fit.
    """
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if broker.cert_file is not None:
            context.load_cert_chain(broker.cert_file, broker.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise _unusable(broker, error) from error
    return context


def _unusable(broker: Broker, error: Exception) -> SettingsError:
    return SettingsError(f"broker {broker.host}: cannot use the password or certificate file: {error}")
