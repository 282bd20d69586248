"""Workbooks for tests, by openpyxl: another reader of what evidock writes, and the maker of a unit's own form.

    sheets.py read FILE          every sheet as JSON: rows of [value, data type, number format, bold], merged cells, formulas
    sheets.py form FILE PAIR...  a form whose cells hold the texts of PAIR (A1=text), with styles, a formula and merged cells
"""

import json
import sys

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Alignment, Font, PatternFill


def read(path):
    book = load_workbook(path)
    told = {}
    for sheet in book.worksheets:
        cells = {}
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value is not None:
                    cells[cell.coordinate] = [cell.value, cell.data_type, cell.number_format, bool(cell.font.bold)]
        told[sheet.title] = {
            "cells": cells,
            "merged": sorted(str(m) for m in sheet.merged_cells.ranges),
            "quoted": sorted(c.coordinate for row in sheet.iter_rows() for c in row if c.quotePrefix),
            "widths": {k: v.width for k, v in sheet.column_dimensions.items()},
        }
    return {"sheets": told, "computed": bool(book.calculation and book.calculation.fullCalcOnLoad)}


def form(path, pairs):
    book = Workbook()
    sheet = book.active
    sheet.title = "季度报表"
    for pair in pairs:
        at, text = pair.split("=", 1)
        sheet[at] = text
    sheet["A1"].font = Font(bold=True, size=16)
    sheet["A1"].alignment = Alignment(horizontal="center")
    sheet.merge_cells("A1:D1")
    sheet["B3"].number_format = "#,##0"
    sheet["B3"].fill = PatternFill("solid", fgColor="DDEEFF")
    sheet["B9"] = "=SUM(B4:B5)*2"
    sheet["B9"].font = Font(bold=True)
    sheet.column_dimensions["A"].width = 33
    second = book.create_sheet("附表")
    second["A1"] = "={}".format("季度报表!B9+1")
    second["A2"] = "{{clips}}"
    book.save(path)


if __name__ == "__main__":
    if sys.argv[1] == "read":
        print(json.dumps(read(sys.argv[2]), ensure_ascii=False))
    else:
        form(sys.argv[2], sys.argv[3:])
