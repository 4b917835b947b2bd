"""ONLYOFFICE Workspace, its mail: the interface at ``/api/2.0`` (wire/onlyoffice.md), and the files of messages beside it."""

from postroom.dialects.onlyoffice.application import mount
from postroom.dialects.onlyoffice.downloads import routes as downloads
from postroom.dialects.onlyoffice.pictures import route as pictures_of_contacts
from postroom.dialects.onlyoffice.upload_progress import route as uploads

__all__ = ["downloads", "mount", "pictures_of_contacts", "uploads"]
