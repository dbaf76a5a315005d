"""HTML that is escaped unless it says that it is markup already."""

import pytest

from server_app.report.markup import Column, Html, details, element, join, table, text


def test_plain_text_is_escaped_once():
    assert text('<b>&"') == "&lt;b&gt;&amp;&quot;"
    assert text(text("<b>")) == "&lt;b&gt;"
    assert join("<", Html("<br>")) == "&lt;<br>"
    assert isinstance(join("a"), Html)


def test_elements_escape_their_content_and_attributes():
    written = element("p", "1 < 2", element("b", "&"), attributes={"title": '"><script>'})
    assert written == '<p title="&quot;&gt;&lt;script&gt;">1 &lt; 2<b>&amp;</b></p>'
    assert details("<s>", "a", is_open=True).startswith('<details open=""><summary>&lt;s&gt;')


def test_tables_name_their_rows_and_set_numbers_apart():
    written = table("T", [Column("Who", numeric=False), Column("N")], [["<a>", "1"]], ["All", "1"])
    assert '<th scope="row">&lt;a&gt;</th><td class="number">1</td>' in written
    assert '<tfoot><tr><th scope="row">All</th>' in written


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="zip"):
        table("T", [Column("N")], [["1", "2"]])
