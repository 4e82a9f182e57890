"""The queries and mutations that are sent to Healthie, for the dated version of its schema in `settings.VERSION`."""

from __future__ import annotations

PAGE_INFO = "page_info { has_next_page end_cursor }"
MESSAGES = "messages { field message }"

ACCOUNT = "query HandrailAccount { currentUser { id organization { id name } } }"

LISTED = f"""query HandrailListed($since: ISO8601DateTime, $first: Int, $after: String) {{
  formAnswerGroups(updated_after: $since, order_by: UPDATED_AT_ASC, first: $first, after: $after) {{
    nodes {{ id updated_at deleted_at user {{ id }} custom_module_form {{ id }} }}
    {PAGE_INFO} total_count
  }}
}}"""

ANSWERED = """query HandrailAnswered($ids: [ID], $first: Int) {
  formAnswerGroups(ids: $ids, first: $first) {
    nodes {
      id finished created_at record_created_at updated_at deleted_at
      user { id } appointment { id } custom_module_form { id }
      form_answers {
        custom_module_id label answer
        custom_module { id label mod_type options_array }
      }
    }
  }
}"""

TEMPLATES = f"""query HandrailTemplates($first: Int, $after: String) {{
  customModuleForms(first: $first, after: $after) {{
    nodes {{ id name external_id external_id_type deleted_at }}
    {PAGE_INFO}
  }}
}}"""

TEMPLATE = """query HandrailTemplate($id: ID) {
  customModuleForm(id: $id) {
    id name
    custom_modules { id label mod_type options_array external_id position }
  }
}"""

CLIENTS = """query HandrailClients($ids: [ID], $first: Int, $status: String) {
  users(ids: $ids, first: $first, active_status: $status, show_all_by_default: true) {
    nodes { id first_name last_name email dietitian_id dietitian { id full_name } }
  }
}"""

BEARERS = f"""query HandrailBearers($tags: [ID], $first: Int, $after: String) {{
  users(tag_ids: $tags, first: $first, after: $after, show_all_by_default: true) {{ nodes {{ id }} {PAGE_INFO} }}
}}"""

CLIENT = "query HandrailClient($id: ID) { user(id: $id) { id active dietitian_id active_tags { id } } }"

REQUESTS = f"""query HandrailRequests($client: ID, $first: Int, $after: String) {{
  requestedFormCompletions(user_id: $client, first: $first, after: $after) {{
    nodes {{ id metadata form_answer_group_id recipient_id }}
    {PAGE_INFO}
  }}
}}"""

REQUEST = f"""mutation HandrailRequest($input: createRequestedFormInput!) {{
  createRequestedFormCompletion(input: $input) {{ requestedFormCompletion {{ id }} {MESSAGES} }}
}}"""

UNREQUEST = f"""mutation HandrailUnrequest($id: ID) {{
  deleteRequestedFormCompletion(input: {{id: $id}}) {{ requestedFormCompletion {{ id }} {MESSAGES} }}
}}"""

REMIND = f"""mutation HandrailRemind($client: ID!, $request: ID) {{
  updateClient(input: {{id: $client, send_form_request_reminder: true, requested_form_completion_id: $request}}) {{
    user {{ id }} {MESSAGES}
  }}
}}"""

TAGS = "query HandrailTags { tags { id name } }"

MAKE_TAG = f"""mutation HandrailMakeTag($name: String) {{
  createTag(input: {{name: $name}}) {{ tag {{ id }} {MESSAGES} }}
}}"""

TAG = f"""mutation HandrailTag($tag: ID!, $client: ID!) {{
  bulkApply(input: {{ids: [$tag], taggable_user_id: $client}}) {{ tags {{ id }} {MESSAGES} }}
}}"""

UNTAG = f"""mutation HandrailUntag($tag: ID, $client: ID) {{
  removeAppliedTag(input: {{id: $tag, taggable_user_id: $client}}) {{ tag {{ id }} {MESSAGES} }}
}}"""

TASKS = f"""query HandrailTasks($client: ID, $first: Int, $after: String) {{
  tasks(client_id: $client, show_hidden: true, order_by: CREATED_ASC, first: $first, after: $after) {{
    nodes {{ id client_id complete metadata }}
    {PAGE_INFO}
  }}
}}"""

TASK = "query HandrailTask($id: ID) { task(id: $id) { id client_id complete metadata } }"

MAKE_TASK = f"""mutation HandrailMakeTask($input: createTaskInput!) {{
  createTask(input: $input) {{ task {{ id }} {MESSAGES} }}
}}"""

CHANGE_TASK = f"""mutation HandrailChangeTask($input: updateTaskInput!) {{
  updateTask(input: $input) {{ task {{ id }} {MESSAGES} }}
}}"""

DROP_TASK = f"""mutation HandrailDropTask($id: ID) {{
  deleteTask(input: {{id: $id}}) {{ task {{ id }} {MESSAGES} }}
}}"""

MAKE_FORM = f"""mutation HandrailMakeForm($input: createCustomModuleFormInput!) {{
  createCustomModuleForm(input: $input) {{ customModuleForm {{ id }} {MESSAGES} }}
}}"""

MAKE_LINE = f"""mutation HandrailMakeLine($input: createCustomModuleInput!) {{
  createCustomModule(input: $input) {{ customModule {{ id }} {MESSAGES} }}
}}"""

CHANGE_LINE = f"""mutation HandrailChangeLine($input: updateCustomModuleInput!) {{
  updateCustomModule(input: $input) {{ customModule {{ id }} {MESSAGES} }}
}}"""
