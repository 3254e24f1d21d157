"""Sentences in many languages, written for these tests, and documents made of them."""

from mmsent_cli.charsets.decision import EncodingDecision

SENTENCES = {
    "russian": (
        "Сегодня отличная погода, пойдём гулять в парк!",
        "Я очень рад, что мы наконец встретились.",
        "Какая скучная книга, не смог дочитать до конца.",
        "Спасибо всем за поздравления, вы лучшие!",
        "Опять пробки, опоздала на работу на час.",
        "Наш кот спит на подоконнике весь день.",
        "Кто знает, где купить хороший хлеб?",
        "Вчера смотрели фильм, музыка просто чудесная.",
        "ЭТО ЛУЧШИЙ КОНЦЕРТ В МОЕЙ ЖИЗНИ",
        "Поезд снова задерживается, жду уже сорок минут.",
    ),
    "japanese": (
        "今日はとても天気がいいですね。",
        "新しいカメラで写真を撮りました！",
        "電車が遅れて、会議に間に合わなかった。",
        "このラーメン、すごくおいしい！",
        "明日は友達と映画を見に行きます。",
        "猫が窓のそばで寝ている。",
        "やっと宿題が終わった、疲れた〜",
        "「ありがとう」と言いたかっただけ。",
        "駅前の本屋が閉店するらしい。さみしい。",
        "コーヒーを飲みながら仕事しています。",
    ),
    "korean": (
        "오늘 날씨가 정말 좋네요.",
        "친구와 함께 영화를 보러 갔어요.",
        "지하철이 늦어서 회의에 지각했다.",
        "새로 산 카메라로 사진을 찍었습니다!",
        "이 집 김치찌개 너무 맛있어요.",
        "고양이가 창가에서 자고 있다.",
        "숙제가 드디어 끝났다. 피곤해.",
        "내일은 부산으로 여행을 떠납니다.",
        "도와주셔서 감사합니다.",
        "비가 와서 집에만 있었어요.",
    ),
    "simplified": (
        "今天天气很好，我们去公园走走吧。",
        "这本书太无聊了，我看不下去。",
        "谢谢大家的祝福，我爱你们！",
        "地铁又晚点了，上班迟到半小时。",
        "新买的相机拍出来的照片真漂亮。",
        "小猫在窗边睡了一整天。",
        "明天和朋友一起去看电影。",
        "终于写完作业了，好累。",
        "这家店的面条非常好吃！",
        "外面下雨了，记得带伞。",
    ),
    "traditional": (
        "今天天氣很好，我們去公園走走吧。",
        "這本書太無聊了，我看不下去。",
        "謝謝大家的祝福，我愛你們！",
        "捷運又誤點了，上班遲到半小時。",
        "新買的相機拍出來的照片真漂亮。",
        "小貓在窗邊睡了一整天。",
        "明天和朋友一起去看電影。",
        "終於寫完作業了，好累。",
        "這家店的麵條非常好吃！",
        "外面下雨了，記得帶傘。",
    ),
    "french": (
        "Très belle journée, on est allés à la plage.",
        "J'ai oublié mes clés à l'école, quelle idée !",
        "Ça fait déjà une heure que j'attends le métro.",
        "Le café était délicieux, merci à tous.",
        "Cette pièce était un peu ennuyeuse, désolé.",
        "Le chat dort près de la fenêtre.",
        "Où est passé mon téléphone ?",
        "Les élèves préparent la fête de l'été.",
        "Je suis fatiguée mais très heureuse.",
        "Bientôt Noël, vivement les congés !",
    ),
    "german": (
        "Heute ist schönes Wetter, wir gehen über die Brücke.",
        "Der Zug ist schon wieder verspätet, ich höre Musik.",
        "Vielen Dank für die Glückwünsche!",
        "Das Essen war köstlich, aber viel zu süß.",
        "Ich möchte nächstes Jahr nach Köln.",
        "Die Straße ist gesperrt, völlig überfüllt.",
        "Größe und Farbe gefallen mir sehr.",
        "Unsere Katze schläft den ganzen Tag auf der Fensterbank, wie gemütlich.",
    ),
    "spanish": (
        "Mañana iremos al cine con los niños.",
        "¡Qué día tan bonito! Estoy feliz.",
        "El tren llegó tarde otra vez, ¿por qué?",
        "La canción más linda del año.",
        "Está lloviendo en la montaña.",
        "Mi corazón late rápido, qué emoción.",
        "Aquí el café es fantástico.",
        "Gracias por venir, señora Muñoz.",
    ),
    "polish": (
        "Dziś jest piękna pogoda, idziemy na spacer.",
        "Dziękuję wszystkim za życzenia!",
        "Pociąg znowu się spóźnił, czekałem godzinę.",
        "Książka była nudna, nie skończyłem.",
        "Kot śpi na łóżku cały dzień.",
        "Gdzie można kupić dobry chleb? Źle tu.",
        "Jutro jadę do Łodzi, będzie świetnie.",
        "Zupa była pyszna, proszę o więcej.",
    ),
    "czech": (
        "Dnes je krásné počasí, půjdeme na procházku.",
        "Děkuji všem za přání k narozeninám!",
        "Vlak má opět zpoždění, čekám už hodinu.",
        "Ta kniha byla nudná, nedočetl jsem ji.",
        "Naše kočka spí celý den na okně.",
        "Zítra jedeme do Brna, těším se.",
        "Polévka byla výborná, příště zase.",
        "Žlutý kůň běžel přes řeku.",
    ),
    "turkish": (
        "Bugün hava çok güzel, yürüyüşe çıkıyoruz.",
        "Doğum günümü kutlayan herkese teşekkür ederim!",
        "Otobüs yine gecikti, işe geç kaldım.",
        "Kedimiz bütün gün pencerede uyuyor, şaşırmadım.",
        "Yarın arkadaşlarla sinemaya gideceğiz.",
        "Çorba çok lezzetliydi, ağzınıza sağlık.",
        "İstanbul'da yağmur yağıyor.",
        "Ödevim sonunda bitti, yoruldum ışıkları kapatın.",
    ),
    "thai": (
        "วันนี้อากาศดีมาก ไปเดินเล่นกันเถอะ",
        "ขอบคุณทุกคนสำหรับคำอวยพร",
        "รถไฟมาช้าอีกแล้ว รอมาหนึ่งชั่วโมง",
        "แมวนอนหลับอยู่ข้างหน้าต่างทั้งวัน",
        "พรุ่งนี้จะไปดูหนังกับเพื่อน",
        "อาหารร้านนี้อร่อยมาก",
        "การบ้านเสร็จแล้ว เหนื่อยจัง",
    ),
    "typographic": (
        "Don’t miss the show tonight…",
        "She said “see you soon” and left",
        "Best coffee in town – really",
        "We won the match… can’t believe it",
        "Reading this book again, it’s great",
        "Waiting for the bus… again",
        "“Life is short” they say",
        "Friends’ day out at the lake",
        "The café on the corner is open",
        "What a week… I’m tired",
    ),
}

ENCODED = (
    ("russian", "cp1251"), ("russian", "koi8-r"), ("russian", "cp866"), ("japanese", "shift_jis"),
    ("japanese", "euc-jp"), ("japanese", "gb18030"), ("korean", "cp949"), ("simplified", "gb18030"),
    ("traditional", "big5"), ("french", "cp1252"), ("german", "cp1252"), ("spanish", "cp1252"),
    ("french", "mac-roman"), ("polish", "cp1250"), ("polish", "iso-8859-2"), ("czech", "cp1250"),
    ("turkish", "cp1254"), ("thai", "tis-620"), ("typographic", "cp1252"), ("typographic", "gb18030"),
    ("typographic", "mac-roman"), ("typographic", "cp949"), ("typographic", "big5"),
)  # fmt: skip


def encoded(language: str, codec: str) -> list[tuple[str, bytes]]:
    """The sentences of a language that an encoding can write, as documents."""
    documents = []
    for number, sentence in enumerate(SENTENCES[language]):
        try:
            documents.append((f"{language}-{number}", sentence.encode(codec)))
        except UnicodeEncodeError:
            continue
    return documents


def misread(decision: EncodingDecision, documents: list[tuple[str, bytes]], codec: str) -> list[str]:
    """The names of documents that the decision reads otherwise than their true encoding."""
    return [name for name, raw in documents if decision.decode(raw).text != raw.decode(codec)]
