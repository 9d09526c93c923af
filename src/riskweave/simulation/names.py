"""What people and companies are called, in English and in Chinese."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from riskweave.simulation.columns import taken
from riskweave.simulation.mix import Array, mix


def _words(text: str) -> list[str]:
    return text.split()


_SURNAMES = _words(
    "Wang 王 Li 李 Zhang 张 Liu 刘 Chen 陈 Yang 杨 Huang 黄 Zhao 赵 Wu 吴 Zhou 周 Xu 徐 Sun 孙 Ma 马 Zhu 朱 "
    "Hu 胡 Guo 郭 He 何 Gao 高 Lin 林 Luo 罗 Zheng 郑 Liang 梁 Xie 谢 Song 宋 Tang 唐 Xu 许 Han 韩 Feng 冯 "
    "Deng 邓 Cao 曹 Peng 彭 Zeng 曾 Xiao 肖 Tian 田 Dong 董 Yuan 袁 Pan 潘 Yu 于 Jiang 蒋 Cai 蔡 Yu 余 Du 杜 "
    "Ye 叶 Cheng 程 Su 苏 Wei 魏 Lü 吕 Ding 丁 Ren 任 "
    "Shen 沈 Yao 姚 Lu 卢 Jiang 姜 Cui 崔 Zhong 钟 Tan 谭 Lu "
    "陆 Ouyang 欧阳 Situ 司徒 "
)
_GIVEN = _words(
    "wei 伟 fang 芳 na 娜 min 敏 jing 静 li 丽 qiang 强 lei 磊 jun 军 yang 洋 yong 勇 yan 艳 jie 杰 juan 娟 "
    "tao 涛 ming 明 chao 超 xiu 秀 xia 霞 ping 平 gang 刚 gui 桂 ying 英 hua 华 hui 慧 jian 建 wen 文 xin 欣 "
    "yu 宇 hao 浩 yi 怡 xuan 轩 chen 晨 rui 瑞 ting 婷 bo 博 kai 凯 lin 琳 meng 梦 ning 宁 peng 鹏 qing 清 "
    "shan 珊 si 思 tian 天 xue 雪 ya 雅 yue 月 zhi 志 zi 子 an 安 bin 斌 dan 丹 fei 飞 guo 国 han 涵 hong 红 "
    "jia 佳 kun 坤 lan 兰 long 龙 "
)
_FIRST = _words(
    "Emma 艾玛 Louis 路易 Anna 安娜 Paul 保罗 "
    "Marie 玛丽 Thomas 托马斯 Laura 劳拉 Peter 彼得 Sofia 索菲亚 Marco "
    "马尔科 Julia 朱莉娅 Lucas 卢卡斯 Elena 埃琳娜 David "
    "大卫 Clara 克拉拉 Hugo 雨果 Nina 尼娜 Simon 西蒙 Alice 爱丽丝 "
    "Oscar 奥斯卡 Sarah 萨拉 Martin 马丁 Eva 伊娃 "
    "Daniel 丹尼尔 Lena 莱娜 Felix 费利克斯 Amina 阿米娜 Kwame 夸梅 "
    "Diego 迭戈 Ines 伊内斯 "
)
_LAST = _words(
    "Martin 马丁 Bernard 贝尔纳 Dubois 杜布瓦 Moreau 莫罗 "
    "Müller 米勒 Schmidt 施密特 Weber 韦伯 Fischer 菲舍尔 "
    "Smith 史密斯 Brown 布朗 Taylor 泰勒 Wilson 威尔逊 Garcia 加西亚 Lopez 洛佩斯 Rossi 罗西 Ferrari 费拉里 "
    "Bianchi 比安基 De_Vries 德弗里斯 Jansen 扬森 Okafor 奥卡福 "
    "Silva 席尔瓦 Santos 桑托斯 Petit 珀蒂 Laurent 洛朗 "
    "Girard 吉拉尔 Keller 凯勒 Novak 诺瓦克 Kowalski 科瓦尔斯基 Haddad 哈达德 Ndiaye 恩迪亚耶 "
)
_PLACES = _words(
    "Harbour 海港 River 江 Golden 金 Northern 北方 Silver 银 Bright 光明 United 联合 East 东方 Green 绿 Star "
    "星 Royal 皇家 Grand 大 "
)
_TRADES = _words(
    "Foods 食品 Textiles 纺织 Logistics 物流 Electronics 电子 "
    "Steel 钢铁 Pharma 医药 Energy 能源 Trading 贸易 "
    "Construction 建设 Software 软件 Motors 汽车 Paper 纸业 "
)
_STREETS = _words(
    "Rose_Lane Mill_Road Station_Street Garden_Row Quay_Street Church_Hill "
    "Market_Square Linden_Avenue Bridge_Street Park_Road Tower_Street Lake_View "
    "Old_Town Harbour_Walk Silk_Road Temple_Street "
)


def people(numbers: Array, chinese: Array) -> tuple[pa.Array, pa.Array]:
    """Return the English and the Chinese name of each person."""
    draw = [mix(numbers, 1000 + i) for i in range(4)]
    surname_en, surname_zh = _pair(_SURNAMES, draw[0])
    first_en, first_zh = _pair(_GIVEN, draw[1])
    second_en, second_zh = _pair(_GIVEN, draw[2])
    double = pa.array(draw[3] % 10 < 7)
    given_en = pc.if_else(double, pc.binary_join_element_wise(first_en, second_en, ""), first_en)
    given_zh = pc.if_else(double, pc.binary_join_element_wise(first_zh, second_zh, ""), first_zh)
    east_en = pc.binary_join_element_wise(surname_en, pc.utf8_capitalize(given_en), " ")
    east_zh = pc.binary_join_element_wise(surname_zh, given_zh, "")
    fore_en, fore_zh = _pair(_FIRST, draw[1])
    last_en, last_zh = _pair(_LAST, draw[0])
    west_en = pc.binary_join_element_wise(fore_en, last_en, " ")
    west_zh = pc.binary_join_element_wise(fore_zh, last_zh, "·")
    east = pa.array(chinese.astype(bool))
    return pc.if_else(east, east_en, west_en), pc.if_else(east, east_zh, west_zh)


# In how many ways a listed name is written by those who bear it.
SPELLINGS = 6


def misspelt(listed: pa.Array) -> pa.Array:
    """Return each name in `SPELLINGS` ways.

    As listed, turned round, a letter doubled, dropped or changed, or with an initial.
    """
    written = []
    for place, name in enumerate(listed.to_pylist()):
        first, _, last = name.partition(" ")
        at = 1 + place % max(len(last) - 2, 1)
        written += [
            name,
            f"{last}, {first}",
            f"{first} {last[:at]}{last[at : at + 1] * 2}{last[at + 1 :]}",
            f"{first} {last[:at]}{last[at + 1 :]}" if len(last) > 3 else f"{first.upper()} {last.upper()}",
            f"{first} {last}".replace("i", "y", 1).replace("h", "", 1),
            f"{first[:1]}. {last}",
        ]
    return pa.array(written)


def repeated(listed: pa.Array) -> pa.Array:
    """Return each name `SPELLINGS` times."""
    return listed.take(pa.array([place for place in range(len(listed)) for _ in range(SPELLINGS)]))


def companies(numbers: Array) -> tuple[pa.Array, pa.Array]:
    """Return the English and the Chinese name of each company; the industry is number % 12."""
    place_en, place_zh = _pair(_PLACES, mix(numbers, 2000))
    trade_en, trade_zh = _pair(_TRADES, numbers)
    forms_en = taken(pa.array(["Ltd", "GmbH", "SA", "BV", "Co., Ltd"]), mix(numbers, 2001) % 5)
    surname_en, surname_zh = _pair(_SURNAMES, mix(numbers, 2002))
    english = pc.binary_join_element_wise(surname_en, place_en, trade_en, forms_en, " ")
    forms_zh = pa.array(["有限公司"] * len(numbers), pa.string())
    chinese = pc.binary_join_element_wise(surname_zh, place_zh, trade_zh, forms_zh, "")
    return english, chinese


def emails(numbers: Array, names: pa.Array) -> pa.Array:
    """Return an e-mail address for each person."""
    plain = pc.replace_substring(pc.utf8_lower(names), " ", ".")
    for accented, letter in (("ü", "u"), ("_", "")):
        plain = pc.replace_substring(plain, accented, letter)
    tail = pc.cast(pa.array(numbers), pa.string())
    hosts = taken(
        pa.array(["mail.example", "post.example", "inbox.example", "letters.example"]), mix(numbers, 3000) % 4
    )
    return pc.binary_join_element_wise(pc.binary_join_element_wise(plain, tail, ""), hosts, "@")


def addresses(numbers: Array) -> pa.Array:
    """Return a street address for each number; neighbours in number live anywhere."""
    house = pc.cast(pa.array(mix(numbers, 3001) % 240 + 1), pa.string())
    street = taken(
        pa.array([street.replace("_", " ") for street in _STREETS]), mix(numbers, 3002) % len(_STREETS)
    )
    code = pc.cast(pa.array(10_000 + mix(numbers, 3003) % 400), pa.string())
    return pc.binary_join_element_wise(pc.binary_join_element_wise(house, street, " "), code, ", ")


def _pair(pool: list[str], numbers: Array) -> tuple[pa.Array, pa.Array]:
    english = pa.array([word.replace("_", " ") for word in pool[::2]])
    chinese = pa.array(pool[1::2])
    chosen = numbers % len(english)
    return taken(english, chosen), taken(chinese, chosen)
