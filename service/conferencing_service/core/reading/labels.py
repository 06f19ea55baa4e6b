"""The words that invitations put before an id, a passcode or a PIN, by language, as data.

Adding a wording is adding a string. Compared without regard to case; spaces stand for any white
space. Sources: the vendors' invitations; where a vendor's own wording was not at hand, the word
that its product uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from conferencing_service.core.reading.rules import Label

LABELS: Mapping[Label, Mapping[str, tuple[str, ...]]] = {
    Label.MEETING_ID: {
        "en": (
            "Meeting ID",
            "Meeting number",
            "Webinar ID",
            "Event number",
            "Meeting code",
        ),
        "de": (
            "Meeting-ID",
            "Besprechungs-ID",
            "Meeting-Kennnummer",
            "Meetingnummer",
            "Meeting-Nummer",
            "Webinar-ID",
            "Sitzungs-ID",
        ),
        "fr": (
            "ID de réunion",
            "ID de la réunion",
            "Numéro de réunion",
            "Numéro de la réunion",
            "ID du webinaire",
            "Identifiant de réunion",
        ),
        "es": (
            "ID de reunión",
            "ID de la reunión",
            "Id. de reunión",
            "Número de reunión",
            "Número de la reunión",
            "ID del seminario web",
        ),
        "pt": (
            "ID da reunião",
            "ID de reunião",
            "Número da reunião",
            "ID do webinar",
        ),
        "it": (
            "ID riunione",
            "ID della riunione",
            "Numero riunione",
            "Numero della riunione",
            "ID webinar",
        ),
        "nl": (
            "Meetingnummer",
            "Meeting nummer",
            "Vergaderings-ID",
            "Vergadering-id",
            "Vergader-ID",
            "Meeting-id",
            "Vergaderingsnummer",
            "Vergadernummer",
        ),
        "pl": (
            "Identyfikator spotkania",
            "ID spotkania",
            "Numer spotkania",
        ),
        "ru": (
            "Номер встречи",
            "Код собрания",
            "Идентификатор конференции",
            "Идентификатор собрания",
            "Идентификатор встречи",
            "ИД собрания",
            "Номер совещания",
            "Номер собрания",
        ),
        "sv": (
            "Mötets ID",
            "Mötes-ID",
            "Möte-ID",
            "Mötesnummer",
        ),
        "da": ("Mødets ID", "Møde-ID", "Mødenummer"),
        "ja": (
            "ミーティング 番号",
            "ミーティング番号",
            "ミーティングID",
            "ミーティング ID",
            "会議 ID",
            "会議ID",
            "会議番号",
            "ミーティング番号",
        ),
        "zh": (
            "會議識別碼",
            "会议标识",
            "会议编号",
            "會議號",
            "会议号",
            "会议 ID",
            "会议ID",
            "会议 ID 号",
            "会议号码",
            "會議 ID",
            "會議ID",
            "會議號碼",
        ),
        "ko": ("미팅 번호", "회의 ID", "회의ID", "모임 ID", "미팅 ID", "회의 번호"),
    },
    Label.PASSCODE: {
        "en": (
            "Passcode",
            "Password",
            "Meeting password",
            "Meeting passcode",
            "Webinar passcode",
            "Event password",
            "Session password",
        ),
        "de": (
            "Kennung",
            "Meeting Passwort",
            "Meetingpasswort",
            "Besprechungspasswort",
            "Sitzungspasswort",
            "Kenncode",
            "Passwort",
            "Kennwort",
            "Meeting-Passwort",
            "Meeting-Kennwort",
            "Besprechungskennwort",
            "Meeting-Kenncode",
        ),
        "fr": (
            "Code secret",
            "Mot de passe",
            "Mot de passe de la réunion",
            "Mot de passe de réunion",
            "Code secret de la réunion",
        ),
        "es": (
            "Contraseña del seminario web",
            "Código secreto",
            "Contraseña",
            "Contraseña de la reunión",
            "Contraseña de reunión",
            "Clave",
        ),
        "pt": (
            "Código secreto",
            "Código da reunião",
            "Senha",
            "Senha da reunião",
            "Palavra-passe",
            "Senha de acesso",
            "Palavra-passe da reunião",
        ),
        "it": (
            "Password per la riunione",
            "Codice segreto",
            "Password riunione",
            "Password della riunione",
            "Passcode riunione",
        ),
        "nl": (
            "Wachtwoordcode",
            "Meetingwachtwoord",
            "Vergaderingswachtwoord",
            "Wachtwoord van vergadering",
            "Wachtwoord",
            "Wachtwoord voor vergadering",
            "Wachtwoord vergadering",
            "Vergaderwachtwoord",
        ),
        "pl": (
            "Hasło na spotkanie",
            "Kod spotkania",
            "Hasło",
            "Hasło spotkania",
            "Hasło do spotkania",
        ),
        "ru": (
            "Пароль встречи",
            "Код-пароль",
            "Пароль",
            "Пароль конференции",
            "Пароль совещания",
            "Пароль собрания",
            "Секретный код",
        ),
        "sv": (
            "Lösenord för möte",
            "Lösenord för mötet",
            "Möteslösenkod",
            "Lösenkod",
            "Lösenord",
            "Möteslösenord",
            "Mötets lösenord",
        ),
        "da": (
            "Mødets adgangskode",
            "Adgangskode til møde",
            "Adgangskode til mødet",
            "Adgangskode",
            "Mødeadgangskode",
            "Mødekode",
            "Kodeord",
        ),
        "ja": (
            "パスコード",
            "パスワード",
            "会議のパスワード",
            "ミーティング パスワード",
            "ミーティングパスワード",
        ),
        "zh": (
            "会议口令",
            "會議通行碼",
            "通行碼",
            "会议密钥",
            "密码",
            "密碼",
            "会议密码",
            "會議密碼",
            "通行码",
            "入会密码",
            "密码口令",
        ),
        "ko": (
            "미팅 비밀번호",
            "미팅 암호",
            "회의 패스코드",
            "암호",
            "비밀번호",
            "회의 암호",
            "회의 비밀번호",
            "패스코드",
        ),
    },
    Label.ACCESS_CODE: {
        "en": ("Access code", "Participant access code", "Attendee access code"),
        "de": ("Zugangscode", "Zugriffscode"),
        "fr": ("Code d'accès", "Code d’accès"),
        "es": ("Código de acceso", "Clave de acceso"),
        "pt": ("Código de acesso",),
        "it": ("Codice di accesso", "Codice d'accesso", "Codice d’accesso", "Codice accesso"),
        "nl": ("Toegangscode",),
        "pl": ("Kod dostępu",),
        "ru": ("Код доступа",),
        "sv": ("Åtkomstkod",),
        "ja": ("アクセスコード", "アクセス コード"),
        "zh": ("访问码", "访问代码", "接入码", "存取碼", "接入代码"),
        "ko": ("액세스 코드", "접근 코드", "접속 코드"),
    },
    Label.PHONE_ID: {
        "en": ("Phone conference ID", "Phone conference id", "Audio conference ID"),
        "de": ("Telefonkonferenz-ID", "Konferenz-ID für Telefon", "Telefon-Konferenz-ID"),
        "fr": (
            "ID de conférence téléphonique",
            "Identifiant de conférence téléphonique",
            "ID de la conférence téléphonique",
        ),
        "es": (
            "ID de conferencia telefónica",
            "Id. de conferencia telefónica",
            "ID de la conferencia telefónica",
            "Identificador de conferencia telefónica",
        ),
        "pt": (
            "ID da conferência telefônica",
            "ID da conferência por telefone",
            "ID de conferência telefônica",
            "ID da conferência telefónica",
        ),
        "it": ("ID conferenza telefonica", "ID della conferenza telefonica"),
        "nl": (
            "Telefonische vergadering-id",
            "Telefoonconferentie-id",
            "Telefonische conferentie-id",
            "Id van telefonische vergadering",
        ),
        "pl": ("Identyfikator konferencji telefonicznej", "ID konferencji telefonicznej"),
        "ru": ("Идентификатор телефонной конференции", "ИД телефонной конференции"),
        "sv": ("Telefonkonferens-ID", "ID för telefonkonferens"),
        "da": ("Telefonkonference-ID", "Id for telefonkonference"),
        "ja": ("電話会議 ID", "電話会議ID"),
        "zh": (
            "电话会议标识",
            "電話會議識別碼",
            "电话会议号",
            "電話會議ID",
            "电话会议 ID",
            "电话会议ID",
            "電話會議 ID",
        ),
        "ko": ("전화 회의 ID", "전화 회의ID"),
    },
    Label.CONFERENCE_ID: {
        "en": ("Conference ID",),
        "de": ("Konferenz-ID", "Konferenzkennung"),
        "fr": ("ID de conférence", "ID de la conférence"),
        "es": ("ID de conferencia", "Id. de conferencia", "ID de la conferencia"),
        "pt": ("ID da conferência", "ID de conferência"),
        "it": ("ID conferenza", "ID della conferenza"),
        "nl": ("Conferentie-id", "Vergaderings-id voor telefoon"),
        "pl": ("Identyfikator konferencji", "ID konferencji"),
        "sv": ("Konferens-ID",),
        "da": ("Konference-ID", "Konference-id"),
        "ja": ("会議の ID", "会議のID"),
        "ko": ("컨퍼런스 ID",),
    },
    Label.PIN: {
        "any": (
            "PIN-код",
            "Pin kod",
            "Pinkod",
            "PIN kod",
            "PIN kode",
            "Pinkode",
            "PIN 코드",
            "PIN コード",
            "PINコード",
            "핀 번호",
            "ПИН код",
            "PIN",
            "PIN-Code",
            "PIN code",
            "Code PIN",
            "Código PIN",
            "Codice PIN",
            "Pincode",
            "Kod PIN",
            "ПИН-код",
            "PIN-kod",
            "PIN-kode",
            "暗証番号",
            "PIN 码",
            "PIN码",
        ),
    },
    Label.OTHER: {
        "any": (
            "Video ID",
            "Video Conference ID",
            "Video-ID",
            "Videokonferenz-ID",
            "ID vidéo",
            "ID de vídeo",
            "ID de video",
            "ID video",
            "Video-id",
            "Identyfikator wideo",
            "Видео-ИД",
            "ビデオ ID",
            "视频 ID",
            "비디오 ID",
            "Tenant key",
            "Mandantenschlüssel",
            "Clé de locataire",
            "Clave de inquilino",
            "Host key",
            "Host PIN",
            "Host code",
            "Moderator PIN",
            "Moderator code",
            "Organizer PIN",
            "Dial-in PIN",
            "Numeric password",
            "Phone passcode",
            "Phone password",
            "Audio passcode",
            "Audio PIN",
            "Video system password",
            "Password for video systems",
            "Participant ID",
            "Host password",
            "Wi-Fi password",
            "WiFi password",
            "Wifi-Passwort",
        ),
    },
}


def _folded(label: str) -> str:
    return " ".join(label.casefold().replace("\u2019", "'").split())


BY_WORDING: Mapping[str, Label] = {
    _folded(wording): label
    for label, languages in LABELS.items()
    for wordings in languages.values()
    for wording in wordings
}


def _pattern() -> re.Pattern[str]:
    """Return a pattern of every wording, the longest first, so that none is taken for its end."""
    wordings = sorted(BY_WORDING, key=len, reverse=True)
    alternatives = "|".join(
        re.escape(wording)
        .replace(r"\ ", r"\s?" if wording.isascii() is False else " ")
        .replace("'", "['\u2019]")
        for wording in wordings
    )
    return re.compile(
        rf"(?<![^\W_])(?P<label>{alternatives})(?![^\W_])(?: ?[(（][^()（）\d]{{1,40}}[)）])? ?(?P<colon>[:：]|$)",
        re.IGNORECASE,
    )


ANNOUNCED = _pattern()
"""A label with its colon, or alone at the end of its line."""


def label_of(wording: str) -> Label:
    """Return what a matched wording announces."""
    folded = _folded(wording)
    found = BY_WORDING.get(folded)
    if found is None:
        # A wording that was matched without its space.
        bare = folded.replace(" ", "")
        found = next(label for key, label in BY_WORDING.items() if key.replace(" ", "") == bare)
    return found
