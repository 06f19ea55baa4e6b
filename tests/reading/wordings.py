"""How the vendors' invitations speak: labels and phrases by language, written from invitations.

What is here is what senders write. It shares nothing with what the reader knows.
"""

# ruff: noqa: RUF001 - foreign letters, dashes and colons are what senders write

from __future__ import annotations

LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "ru", "sv", "da", "ja", "zh", "ko")

WIDE = ("ja", "zh", "ko")

# For each language: the words for the meeting's id, and those for what a person types to join.
ZOOM = {
    "en": (("Meeting ID", "Webinar ID"), ("Passcode", "Password")),
    "de": (("Meeting-ID",), ("Kenncode", "Passwort")),
    "fr": (("ID de réunion",), ("Code secret", "Mot de passe")),
    "es": (("ID de reunión",), ("Código de acceso", "Contraseña")),
    "pt": (("ID da reunião",), ("Senha", "Senha de acesso")),
    "it": (("ID riunione",), ("Passcode", "Codice d'accesso", "Codice d’accesso")),
    "nl": (("Meeting-ID", "Vergadering-ID"), ("Toegangscode", "Wachtwoord")),
    "pl": (("Identyfikator spotkania", "ID spotkania"), ("Kod dostępu",)),
    "ru": (("Идентификатор конференции",), ("Код доступа", "Пароль")),
    "sv": (("Mötes-ID",), ("Lösenkod", "Lösenord")),
    "da": (("Møde-id", "Møde-ID"), ("Adgangskode",)),
    "ja": (("ミーティングID", "ミーティング ID"), ("パスコード", "パスワード")),
    "zh": (("会议号", "会议 ID", "會議號"), ("密码", "密碼")),
    "ko": (("회의 ID",), ("암호", "비밀번호")),
}

# The same, and the words for what is typed on a telephone.
TEAMS = {
    "en": (
        ("Meeting ID",),
        ("Passcode",),
        ("Phone conference ID", "Phone Conference ID"),
    ),
    "de": (("Besprechungs-ID",), ("Passcode", "Kenncode"), ("Telefonkonferenz-ID",)),
    "fr": (
        ("ID de réunion", "ID de la réunion"),
        ("Code secret",),
        ("ID de conférence téléphonique",),
    ),
    "es": (
        ("Id. de reunión", "ID de reunión"),
        ("Código de acceso",),
        ("Id. de conferencia telefónica", "ID de conferencia telefónica"),
    ),
    "pt": (
        ("ID da Reunião", "ID da reunião"),
        ("Código de acesso", "Senha"),
        ("ID de conferência telefônica", "ID da conferência telefónica"),
    ),
    "it": (
        ("ID riunione",),
        ("Passcode", "Codice di accesso"),
        ("ID conferenza telefonica",),
    ),
    "nl": (
        ("Vergadering-id", "Vergadering-ID"),
        ("Wachtwoordcode", "Toegangscode"),
        ("Telefonische vergadering-id", "Telefonische conferentie-id"),
    ),
    "pl": (
        ("Identyfikator spotkania",),
        ("Kod dostępu",),
        ("Identyfikator konferencji telefonicznej",),
    ),
    "ru": (
        ("Идентификатор собрания",),
        ("Секретный код", "Код доступа"),
        ("Идентификатор телефонной конференции",),
    ),
    "sv": (("Mötes-ID",), ("Lösenord", "Lösenkod"), ("Telefonkonferens-ID",)),
    "da": (("Møde-id",), ("Adgangskode",), ("Telefonkonference-id",)),
    "ja": (("会議 ID", "会議ID"), ("パスコード",), ("電話会議 ID", "電話会議ID")),
    "zh": (("会议 ID", "會議識別碼"), ("密码", "密碼"), ("电话会议 ID", "電話會議識別碼")),
    "ko": (("모임 ID", "회의 ID"), ("암호",), ("전화 회의 ID",)),
}

WEBEX = {
    "en": (
        ("Meeting number (access code)", "Meeting number"),
        ("Meeting password", "Password"),
    ),
    "de": (
        ("Meeting-Kennnummer (Zugriffscode)", "Meeting-Nummer (Zugriffscode)"),
        ("Meeting-Passwort", "Meeting Passwort"),
    ),
    "fr": (
        ("Numéro de la réunion (code d'accès)", "Numéro de réunion (code d’accès)"),
        ("Mot de passe de la réunion",),
    ),
    "es": (
        ("Número de la reunión (código de acceso)",),
        ("Contraseña de la reunión",),
    ),
    "pt": (("Número da reunião (código de acesso)",), ("Senha da reunião",)),
    "it": (
        ("Numero riunione (codice di accesso)", "Numero della riunione"),
        ("Password riunione", "Password della riunione"),
    ),
    "nl": (
        ("Vergaderingsnummer (toegangscode)", "Meetingnummer (toegangscode)"),
        ("Wachtwoord voor vergadering", "Meetingwachtwoord"),
    ),
    "pl": (("Numer spotkania (kod dostępu)",), ("Hasło spotkania",)),
    "ru": (("Номер совещания (код доступа)",), ("Пароль совещания",)),
    "sv": (("Mötesnummer (åtkomstkod)",), ("Möteslösenord", "Lösenord för möte")),
    "da": (("Mødenummer (adgangskode)",), ("Mødeadgangskode",)),
    "ja": (
        ("ミーティング番号（アクセスコード）", "ミーティング番号 (アクセスコード)"),
        ("ミーティングパスワード", "ミーティング パスワード"),
    ),
    "zh": (("会议号（访问码）", "会议号 (访问码)"), ("会议密码",)),
    "ko": (("미팅 번호(액세스 코드)",), ("미팅 비밀번호", "회의 비밀번호")),
}

# What Webex puts behind a password that can be typed on a telephone too.
FROM_PHONES = {
    "en": ("from phones", "from phones and video systems"),
    "de": ("von Telefonen aus", "über Telefone"),
    "fr": ("depuis les téléphones",),
    "es": ("desde teléfonos",),
    "it": ("dai telefoni",),
    "pt": ("de telefones",),
}

GOTO = {
    "en": ("Access Code", "Meeting ID"),
    "de": ("Zugangscode",),
    "fr": ("Code d'accès", "Code d’accès"),
    "es": ("Código de acceso",),
    "pt": ("Código de acesso",),
    "it": ("Codice accesso", "Codice di accesso"),
    "nl": ("Toegangscode",),
}

SKYPE = {
    "en": ("Conference ID",),
    "de": ("Konferenz-ID",),
    "fr": ("ID de conférence",),
    "es": ("Id. de conferencia", "ID de conferencia"),
    "pt": ("ID da conferência",),
    "it": ("ID conferenza",),
    "nl": ("Conferentie-id", "Conferentie-ID"),
    "pl": ("Identyfikator konferencji",),
    "ru": ("Идентификатор конференции",),
    "sv": ("Konferens-ID",),
    "da": ("Konference-id",),
    "ja": ("会議 ID",),
    "zh": ("会议 ID",),
    "ko": ("회의 ID",),
}

MEET_PIN = {
    "en": ("PIN",),
    "de": ("PIN",),
    "fr": ("PIN", "Code PIN"),
    "es": ("PIN",),
    "pt": ("PIN",),
    "it": ("PIN",),
    "nl": ("Pincode", "PIN"),
    "pl": ("Kod PIN", "PIN"),
    "ru": ("PIN-код",),
    "sv": ("Pinkod", "PIN-kod"),
    "da": ("Pinkode",),
    "ja": ("PIN",),
    "zh": ("PIN 码", "PIN"),
    "ko": ("PIN",),
}

# "Join {}", "or dial", "hello", "later there is another one", "thanks".
PHRASES = {
    "en": ("Join {}", "Or dial", "Hello everybody,", "The second session", "See you there"),
    "de": ("{} beitreten", "Oder per Telefon", "Hallo zusammen,", "Zweiter Termin", "Bis dann"),
    "fr": ("Rejoindre {}", "Ou composez", "Bonjour à tous,", "Deuxième séance", "À bientôt"),
    "es": ("Unirse a {}", "O marca el", "Hola a todos:", "Segunda sesión", "Hasta pronto"),
    "pt": ("Entrar em {}", "Ou disque", "Olá a todos,", "Segunda sessão", "Até logo"),
    "it": ("Partecipa a {}", "Oppure chiama", "Ciao a tutti,", "Seconda sessione", "A presto"),
    "nl": ("Deelnemen aan {}", "Of bel", "Hallo allemaal,", "Tweede sessie", "Tot dan"),
    "pl": ("Dołącz do {}", "Lub zadzwoń", "Dzień dobry,", "Druga sesja", "Do zobaczenia"),
    "ru": ("Войти в {}", "Или позвоните", "Добрый день,", "Вторая встреча", "До встречи"),
    "sv": ("Anslut till {}", "Eller ring", "Hej alla,", "Andra passet", "Vi ses"),
    "da": ("Deltag i {}", "Eller ring", "Hej alle,", "Anden del", "Vi ses"),
    "ja": ("{}に参加する", "または電話", "皆さん、", "次の打ち合わせ", "よろしくお願いします"),
    "zh": ("加入 {}", "或拨打", "大家好，", "第二场", "谢谢"),
    "ko": ("{} 참가", "또는 전화", "안녕하세요.", "두 번째 세션", "감사합니다"),
}

TEAMS_JOIN = {
    "en": ("Join the meeting now", "Click here to join the meeting"),
    "de": ("Jetzt an der Besprechung teilnehmen",),
    "fr": ("Rejoindre la réunion maintenant", "Cliquez ici pour rejoindre la réunion"),
    "es": ("Unirse a la reunión ahora",),
    "pt": ("Ingressar na reunião agora",),
    "it": ("Partecipa alla riunione ora",),
    "nl": ("Neem nu deel aan de vergadering",),
    "pl": ("Dołącz do spotkania teraz",),
    "ru": ("Присоединиться к собранию сейчас",),
    "sv": ("Anslut till mötet nu",),
    "da": ("Deltag i mødet nu",),
    "ja": ("今すぐ会議に参加する",),
    "zh": ("立即加入会议",),
    "ko": ("지금 모임에 참가하세요",),
}
